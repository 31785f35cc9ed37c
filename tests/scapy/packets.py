"""Packets and advertisements of OSPFv2 as scapy makes them, a line each: name, space, hexadecimal digits.

ospf/tests/wire_format/scapy.rs makes the same from the same values with the engine's encoder, and compares.
"""

import logging

logging.getLogger("scapy").setLevel(logging.ERROR)

from scapy.contrib.ospf import (  # noqa: E402
    OSPF_DBDesc, OSPF_External_LSA, OSPF_Hdr, OSPF_Hello, OSPF_Link, OSPF_LSA_Hdr, OSPF_LSAck, OSPF_LSReq,
    OSPF_LSReq_Item, OSPF_LSUpd, OSPF_NSSA_External_LSA, OSPF_Network_LSA, OSPF_Router_LSA, OSPF_SummaryASBR_LSA,
    OSPF_SummaryIP_LSA,
)

COMMON = {"age": 7, "options": 0x02, "adrouter": "10.0.0.1", "seq": 0x80000005}

ROUTER = OSPF_Router_LSA(id="10.0.0.1", flags=0x03, linkcount=4, linklist=[
    OSPF_Link(type=1, id="10.0.0.2", data="172.16.0.1", metric=10),
    OSPF_Link(type=2, id="192.0.2.1", data="192.0.2.9", metric=65535),
    OSPF_Link(type=3, id="172.16.0.0", data="255.255.255.252", metric=0),
    OSPF_Link(type=4, id="10.0.0.3", data="172.16.9.1", metric=7),
], **COMMON)
NETWORK = OSPF_Network_LSA(id="192.0.2.1", mask="255.255.255.0", routerlist=["10.0.0.1", "10.0.0.2"], **COMMON)
SUMMARY = OSPF_SummaryIP_LSA(id="198.51.100.0", mask="255.255.255.0", metric=0x123456, **COMMON)
ASBR = OSPF_SummaryASBR_LSA(id="10.0.0.9", mask="0.0.0.0", metric=3, **COMMON)
EXTERNAL = OSPF_External_LSA(
    id="203.0.113.0", mask="255.255.255.0", ebit=1, metric=20, fwdaddr="192.0.2.7", tag=0xdeadbeef, **COMMON)
NSSA = OSPF_NSSA_External_LSA(
    id="203.0.113.0", mask="255.255.255.0", ebit=1, metric=20, fwdaddr="192.0.2.7", tag=0xdeadbeef, **COMMON)
LSAS = {"router": ROUTER, "network": NETWORK, "summary": SUMMARY, "asbr": ASBR, "external": EXTERNAL, "nssa": NSSA}

HEADERS = [
    OSPF_LSA_Hdr(age=1, options=0x02, type=1, id="10.0.0.1", adrouter="10.0.0.1", seq=0x80000001, chksum=0x1234, len=48),
    OSPF_LSA_Hdr(age=3600, options=0x02, type=5, id="203.0.113.0", adrouter="10.0.0.2", seq=0x7fffffff, chksum=0xfffe,
                 len=36),
]
BODIES = {
    "hello": (1, OSPF_Hello(mask="255.255.255.0", hellointerval=10, options=0x02, prio=3, deadinterval=40,
                            router="192.0.2.1", backup="192.0.2.2", neighbors=["10.0.0.2", "10.0.0.3"])),
    "description": (2, OSPF_DBDesc(mtu=1500, options=0x02, dbdescr=0x03, ddseq=0x01020304, lsaheaders=HEADERS)),
    "request": (3, OSPF_LSReq(requests=[
        OSPF_LSReq_Item(type=1, id="10.0.0.1", adrouter="10.0.0.1"),
        OSPF_LSReq_Item(type=5, id="203.0.113.0", adrouter="10.0.0.2"),
    ])),
    "update": (4, OSPF_LSUpd(lsacount=len(LSAS), lsalist=list(LSAS.values()))),
    "acknowledgment": (5, OSPF_LSAck(lsaheaders=HEADERS)),
}

for name, lsa in LSAS.items():
    print(name, bytes(lsa).hex())
for name, (kind, body) in BODIES.items():
    print(name, bytes(OSPF_Hdr(type=kind, src="10.0.0.1", area="0.0.0.51") / body).hex())
