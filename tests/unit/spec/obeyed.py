"""What becomes of every property of config.json: where it is tested, or how it is refused.

A property stands in one of three tables, by its JSON pointer without the places of lists, a map's
names written `*`:

    TESTED   it is obeyed; a test of a real container shows it, "directory/file::function"
    WAITING  it is refused by name until it is built: the name in the refusal
    IGNORED  the specification says to ignore it; a test shows that too

Who builds a waiting one takes its line out of WAITING and names its test in TESTED;
test_every_property.py fails until both are done.
"""

from __future__ import annotations


def _below(place, names, test):
    """The properties `names` of an object, "" for itself, that one test shows."""
    return {f"{place}/{name}" if name else place: test for name in names}


_BAD = "functional/test_bad_bundles::test_what_is_invalid_is_refused_with_its_place"
_USER = "functional/test_process::test_user_group_groups_and_umask_are_those_of_the_config"
_LIMITS = "functional/test_process::test_limits_read_back_as_they_were_given"
_SETS = "functional/test_process::test_the_payload_has_the_capabilities_of_the_config"
_NAMES = "functional/test_namespaces::test_the_names_are_set_in_the_new_uts_namespace_only"
_BIND = "functional/test_mounts::test_a_directory_and_a_file_can_be_bound"
_KINDS = "functional/test_mounts::test_each_type_of_file_system_can_be_mounted"
_FLAGS = "functional/test_mounts::test_every_option_that_sets_a_flag_sets_it"
_HOOKS = "functional/test_hooks::test_hooks_run_in_their_order_place_and_state"
_HOOK_ENV = "functional/test_hooks::test_a_hook_has_the_environment_that_is_given_for_it"
_HOOK_TIME = "functional/test_hooks::test_a_hook_may_take_its_time_but_not_more"
_DEVICES = "functional/test_devices::test_devices_of_each_type_are_made_as_described"
_RULES = "functional/test_devices::test_what_no_rule_allows_cannot_be_opened_but_made"
_SECCOMP = "functional/test_container_seccomp::test_denied_calls_fail_with_the_error_of_the_profile"
_ARGUMENTS = "functional/test_container_seccomp::test_conditions_on_arguments_are_kept"
_CLOCKS = "functional/test_attributes::test_the_clocks_of_a_container_can_be_off"
_SCHEDULED = "functional/test_attributes::test_the_payload_is_scheduled_as_wished"
_REAL_TIME = "functional/test_attributes::test_priority_and_flags_reach_the_kernel"
_DEADLINE = "functional/test_attributes::test_a_deadline_process_comes_to_life"
_IO = "functional/test_attributes::test_the_io_priority_is_the_one_of_the_config"
_PERSONALITY = "functional/test_attributes::test_the_personality_is_the_one_of_the_config"
_MEMORY = "functional/test_attributes::test_memory_comes_from_where_the_config_says"
_NETWORK = "functional/test_net_devices::test_a_device_moves_with_its_addresses_and_is_up"
_CLASS = "functional/test_rdt::test_a_named_group_is_made_written_in_order_and_stays"
_SIZE = "functional/test_console_socket::test_the_size_is_set_before_the_master_is_sent"
_MAPS = "functional/test_user_namespace::test_the_maps_are_those_of_the_config"
_READ_BACK = "guest/test_limits::test_a_limit_reads_back_from_the_kernel"
_VERSION_1 = "guest/test_limits::test_what_version_2_has_not_is_warned_of_by_name_and_the_rest_obeyed"
_REFUSED = "guest/test_limits::test_a_value_that_the_kernel_refuses_is_told_with_its_key_and_nothing_is_left"
_IDS = ("", "containerID", "hostID", "size")

TESTED = {
    "/ociVersion": _BAD,
    "/annotations": "functional/test_state::test_the_state_document_has_the_keys_of_the_spec_and_of_runc",
    "/hostname": _NAMES,
    "/domainname": _NAMES,
    "/root": _BAD,
    "/root/path": (
        "functional/test_rootfs::test_a_rootfs_may_be_given_by_an_absolute_path_or_through_a_link"
    ),
    "/root/readonly": "functional/test_rootfs::test_the_root_is_readonly_only_when_wished",
    **_below("/mounts", ("", "type", "source"), _KINDS),
    "/mounts/destination": _BIND,
    "/mounts/options": _FLAGS,
    # --- process ---
    "/process": _BAD,
    "/process/args": "functional/test_process::test_the_first_argument_is_what_the_config_says",
    "/process/cwd": (
        "functional/test_process::test_a_missing_working_directory_is_made_also_below_a_readonly_root"
    ),
    "/process/env": (
        "functional/test_process::test_the_environment_is_the_configs_and_nothing_of_the_callers"
    ),
    **_below("/process/user", ("", "uid", "gid", "umask", "additionalGids"), _USER),
    **_below("/process/rlimits", ("", "type", "soft", "hard"), _LIMITS),
    **_below("/process/capabilities",
             ("", "bounding", "effective", "inheritable", "permitted", "ambient"), _SETS),
    "/process/noNewPrivileges": _SETS,
    "/process/terminal": "functional/test_terminal::test_a_shell_talks_with_whom_is_at_the_terminal",
    **_below("/process/consoleSize", ("", "height", "width"), _SIZE),
    "/process/oomScoreAdj": "functional/test_process::test_the_oom_score_is_set_when_given",
    **_below("/process/scheduler", ("", "policy", "nice"), _SCHEDULED),
    **_below("/process/scheduler", ("priority", "flags"), _REAL_TIME),
    **_below("/process/scheduler", ("runtime", "deadline", "period"), _DEADLINE),
    **_below("/process/ioPriority", ("", "class", "priority"), _IO),
    "/process/apparmorProfile": (
        "functional/test_labels"
        "::test_the_file_of_the_task_is_written_with_and_without_a_proc_in_the_container"
    ),
    "/process/selinuxLabel": "functional/test_labels::test_with_selinux_the_payload_has_the_label",
    # --- hooks ---
    "/hooks": _HOOKS,
    **{
        pointer: test
        for name in (
            "prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop",
        )
        for pointer, test in {
            **_below(f"/hooks/{name}", ("", "path", "args"), _HOOKS),
            f"/hooks/{name}/env": _HOOK_ENV,
            f"/hooks/{name}/timeout": _HOOK_TIME,
        }.items()
    },
    # --- linux ---
    "/linux": _BAD,
    **_below("/linux/namespaces", ("", "type"), "functional/test_namespaces::test_every_type_can_be_new"),
    "/linux/namespaces/path": "functional/test_namespaces::test_namespaces_are_joined_by_path",
    **_below("/linux/uidMappings", _IDS, _MAPS),
    **_below("/linux/gidMappings", _IDS, _MAPS),
    **_below("/linux/devices",
             ("", "type", "path", "major", "minor", "fileMode", "uid", "gid"), _DEVICES),
    "/linux/cgroupsPath": "functional/test_other_keys::test_the_cgroup_path_is_where_the_container_lives",
    "/linux/resources": _RULES,
    **_below("/linux/resources/devices",
             ("", "allow", "type", "major", "minor", "access"), _RULES),
    **_below("/linux/resources/memory",
             ("", "limit", "reservation", "swap", "checkBeforeUpdate"), _READ_BACK),
    **_below("/linux/resources/memory",
             ("kernel", "kernelTCP", "swappiness", "disableOOMKiller", "useHierarchy"), _VERSION_1),
    **_below("/linux/resources/cpu",
             ("", "shares", "quota", "burst", "period", "cpus", "mems", "idle"), _READ_BACK),
    **_below("/linux/resources/cpu", ("realtimeRuntime", "realtimePeriod"), _VERSION_1),
    **_below("/linux/resources/pids", ("", "limit"), _READ_BACK),
    **_below("/linux/resources/blockIO", ("", "weight"), _READ_BACK),
    "/linux/resources/blockIO/leafWeight": _VERSION_1,
    **_below("/linux/resources/blockIO/weightDevice",
             ("", "major", "minor", "weight"), _READ_BACK),
    "/linux/resources/blockIO/weightDevice/leafWeight": _VERSION_1,
    **{
        pointer: test
        for what in ("ReadBps", "WriteBps", "ReadIOPS", "WriteIOPS")
        for pointer, test in _below(f"/linux/resources/blockIO/throttle{what}Device",
                                    ("", "major", "minor", "rate"), _READ_BACK).items()
    },
    **_below("/linux/resources/hugepageLimits", ("", "pageSize", "limit"), _READ_BACK),
    **_below("/linux/resources/network",
             ("", "classID", "priorities", "priorities/name", "priorities/priority"), _VERSION_1),
    **_below("/linux/resources/rdma", ("", "*/hcaHandles", "*/hcaObjects"), _REFUSED),
    "/linux/resources/unified": _READ_BACK,
    "/linux/sysctl": "functional/test_sysctl::test_parameters_are_set_in_the_container_and_not_outside",
    "/linux/rootfsPropagation": (
        "functional/test_rootfs::test_the_propagation_of_the_root_is_the_one_wished"
    ),
    "/linux/maskedPaths": (
        "functional/test_masks::test_a_masked_file_is_empty_and_a_masked_directory_has_nothing_in_it"
    ),
    "/linux/readonlyPaths": "functional/test_masks::test_a_readonly_path_can_be_read_and_not_written",
    "/linux/mountLabel": (
        "functional/test_mount_label::test_with_selinux_every_new_file_system_has_the_label"
    ),
    **_below("/linux/timeOffsets",
             ("", "boottime", "boottime/secs", "boottime/nanosecs", "monotonic", "monotonic/secs",
              "monotonic/nanosecs"), _CLOCKS),
    **_below("/linux/personality", ("", "domain"), _PERSONALITY),
    "/linux/personality/flags": (  # none is defined
        "functional/test_attributes::test_impossible_personalities_are_refused"
    ),
    **_below("/linux/memoryPolicy", ("", "mode", "nodes", "flags"), _MEMORY),
    **_below("/linux/netDevices", ("", "*/name"), _NETWORK),
    "/linux/intelRdt": (
        "functional/test_rdt::test_a_group_without_a_name_is_the_containers_and_goes_with_it"
    ),
    **_below("/linux/intelRdt", ("closID", "schemata", "l3CacheSchema", "memBwSchema"), _CLASS),
    "/linux/intelRdt/enableMonitoring": (
        "functional/test_rdt::test_a_monitoring_group_bears_the_id_and_goes"
    ),
    # --- linux.seccomp ---
    **_below("/linux/seccomp", ("", "defaultAction", "syscalls"), _SECCOMP),
    **_below("/linux/seccomp/syscalls", ("names", "action", "errnoRet"), _SECCOMP),
    **_below("/linux/seccomp/syscalls/args", ("", "index", "op", "value", "valueTwo"), _ARGUMENTS),
    "/linux/seccomp/defaultErrnoRet": (
        "functional/test_other_keys::test_the_default_errno_is_what_denied_calls_return"
    ),
    "/linux/seccomp/architectures": "functional/test_seccomp::test_x32_calls_are_known_or_fatal",
    "/linux/seccomp/flags": "functional/test_seccomp::test_the_kernel_takes_every_flag",
    "/linux/seccomp/listenerPath": "functional/test_seccomp_agent::test_the_agent_decides",
    "/linux/seccomp/listenerMetadata": (
        "functional/test_seccomp_agent::test_the_agent_is_told_of_the_container"
    ),
}  # fmt: skip

WAITING = {
    # --- id maps of mounts ---
    **_below("/mounts/uidMappings", _IDS, "mounts[].uidMappings"),
    **_below("/mounts/gidMappings", _IDS, "mounts[].gidMappings"),
}  # fmt: skip

# Words that wait, of properties that are obeyed. `ridmap`, the other of its kind, is tried in
# test_mounts.py; the options that are no flags (tmpcopyup …) in test_copyup.py and test_link_binds.py.
WAITING_WORDS = {"linux.namespaces type user with a path", "mount option idmap"}

_WINDOWS = "functional/test_other_keys::test_what_is_for_windows_is_ignored"
_EXEC = "functional/test_other_keys::test_the_processors_of_exec_are_not_those_of_the_init"
IGNORED = {
    "/process/commandLine": _WINDOWS,
    "/process/user/username": _WINDOWS,
    **_below("/process/execCPUAffinity", ("", "initial", "final"), _EXEC),  # until there is exec
}

# A value that asks for something, where the one of configs.every_key() asks for nothing.
ASKING = {"/linux/timeOffsets/boottime/nanosecs": 1}
