"""Links of rtnetlink(7) as runc's network interfaces."""

from pyruntime.feature import netcounters

KEYS = ["Name", "RxBytes", "RxPackets", "RxErrors", "RxDropped", "TxBytes", "TxPackets", "TxErrors", "TxDropped"]


class Link(dict):
    def __init__(self, index, name, counts):
        super().__init__(index=index)
        self.attributes = {"IFLA_IFNAME": name, "IFLA_STATS64": counts}

    def get_attr(self, name):
        return self.attributes[name]


def test_interfaces_are_told_in_their_order_with_runcs_keys():
    counts = {"rx_bytes": 1, "rx_packets": 2, "rx_errors": 3, "rx_dropped": 4, "tx_bytes": 5, "multicast": 9}
    first, second = netcounters.told([Link(7, "eth0", counts), Link(1, "lo", None)])
    assert first == {"Name": "lo"} | dict.fromkeys(KEYS[1:], 0)
    assert list(second) == KEYS
    assert list(second.values()) == ["eth0", 1, 2, 3, 4, 5, 0, 0, 0]
