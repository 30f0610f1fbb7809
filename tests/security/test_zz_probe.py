"""scratch"""
def test_net_dotdot(bundle, runtime):
    import json
    for key in ("net/../kernel/hostname", "net.//.kernel.hostname", "net/ipv4/../../kernel/hostname"):
        bundle.config["linux"]["sysctl"] = {key: "stolen"}
        bundle.config["process"]["args"] = ["hostname"]
        bundle.save()
        d = runtime("run", "-b", bundle.path, "c1")
        print(key, d.returncode, d.stdout, d.stderr)
def test_tmpfs_proc(bundle, runtime, tmp_path):
    v = tmp_path/"v"; (v/"self/attr").mkdir(parents=True); (v/"self/attr/exec").write_text("")
    bundle.config["mounts"].insert(1, {"destination":"/proc","type":"bind","source":str(v),"options":["rbind","rw"]})
    for i in (0,1):
        bundle.save()
        d = runtime("run", "-b", bundle.path, "c1")
        print(i, d.returncode, d.stdout, d.stderr)
        del bundle.config["mounts"][0]
def test_chroot_detach(bundle, runtime, tmp_path):
    import os, subprocess
    subprocess.run(["mount","--bind",bundle.rootfs,bundle.rootfs],check=True)
    try:
        bundle.config["linux"]["namespaces"]=[n for n in bundle.config["linux"]["namespaces"] if n["type"]!="mount"]
        bundle.config["linux"].pop("maskedPaths");bundle.config["linux"].pop("readonlyPaths")
        bundle.config["root"]["readonly"]=False
        bundle.config["hostname"]="x"*70
        bundle.save()
        d = runtime("run", "-b", bundle.path, "c1")
        print(d.returncode, d.stdout, d.stderr)
        print("still:", os.path.ismount(bundle.rootfs))
    finally:
        subprocess.run(["umount",bundle.rootfs])
def test_dev_bind_chmod(bundle, runtime, tmp_path):
    import os, stat
    n = tmp_path/"node"; os.mknod(n, 0o020600, os.makedev(1,3)); os.chown(n,5,5)
    bundle.config["mounts"].append({"destination":"/dev/null","type":"bind","source":str(n),"options":["bind"]})
    bundle.save()
    d = runtime("run", "-b", bundle.path, "c1")
    print(d.returncode, d.stdout, d.stderr)
    s=os.stat(n); print(oct(s.st_mode), s.st_uid)
