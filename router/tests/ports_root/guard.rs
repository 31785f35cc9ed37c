//! The guard of a NIC: the port sees frames, the kernel does not act on them.

use isthmus::kernel::Kernel;
use isthmus::kernel::guard::{Guard, GuardKind};
use isthmus::packet::Pool;
use isthmus::port::CarrierFlag;
use isthmus::port::packet::PacketPort;

use crate::namespace::{Namespace, can_run};
use crate::nic::wait_for;

const COMMON: &str = "10.97.9.9";

/// A host beside a router whose kernel has an address on the NIC, one elsewhere, and a VLAN.
fn lab() -> (Namespace, Namespace) {
    let (host, router) = (Namespace::new(), Namespace::new());
    host.join("eth0", &router, "nic");
    for (namespace, device, last) in [(&host, "eth0", 1), (&router, "nic", 2)] {
        namespace.ip(&format!("addr add 10.97.0.{last}/24 dev {device}"));
        // Not every kernel has VLANs; without them nothing is asked of them below.
        namespace.try_ip(&format!("link add link {device} name vlan5 type vlan id 5"));
        namespace.try_ip("link set vlan5 up");
        namespace.try_ip(&format!("addr add 10.97.5.{last}/24 dev vlan5"));
    }
    router.ip("link add gsm0 type bridge");
    router.ip("link set gsm0 up");
    router.ip(&format!("addr add {COMMON}/32 dev gsm0"));
    host.ip(&format!("route add {COMMON}/32 dev eth0"));
    (host, router)
}

#[test]
fn under_tcx_the_port_sees_frames_and_the_kernel_does_not() {
    if !can_run() {
        return;
    }
    let (host, router) = lab();
    router.inside(|| {
        let mut port = PacketPort::open("nic", CarrierFlag::new(true)).unwrap();
        assert!(host.pings("10.97.0.2") && host.pings(COMMON), "without a guard the kernel answers");
        let no_vlan = host.pings_in_vain("10.97.5.2");
        let guard = Guard::attach("nic").unwrap();
        assert_eq!(guard.kind(), GuardKind::Tcx);
        let mut pool = Pool::new(256);
        // Whatever came before the guard.
        wait_for(&mut port, &mut pool, |_| true);
        assert!(host.pings_in_vain("10.97.0.2") && host.pings_in_vain(COMMON), "the kernel answered");
        let is_echo = |frame: &[u8]| frame.get(23) == Some(&1) && frame.get(34) == Some(&8);
        wait_for(&mut port, &mut pool, is_echo);
        host.ip("neigh flush all");
        assert!(host.pings_in_vain(COMMON), "the kernel answered ARP");
        wait_for(&mut port, &mut pool, |frame| frame.get(12..14) == Some(&[0x08, 0x06]));
        assert_eq!(host.pings_in_vain("10.97.5.2"), no_vlan, "the VLAN is another interface");
        drop(guard);
        assert!(host.pings("10.97.0.2") && host.pings(COMMON), "the guard is still there");
    });
}

#[test]
fn a_nic_with_addresses_of_the_kernel_is_not_guarded() {
    if !can_run() {
        return;
    }
    let (host, router) = lab();
    router.inside(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let addresses =
            || runtime.block_on(async { Kernel::connect().unwrap().addresses_of("nic").await.unwrap() });
        assert_eq!(addresses(), ["10.97.0.2/24".parse().unwrap()]);
        let guard = Guard::unless_used("nic", &addresses()).unwrap();
        assert_eq!(guard.kind(), GuardKind::None);
        assert!(host.pings("10.97.0.2"), "the host is cut off");
        router.ip("addr flush dev nic");
        let guard = Guard::unless_used("nic", &addresses()).unwrap();
        assert_eq!(guard.kind(), GuardKind::Tcx);
    });
}

#[test]
fn settings_guard_what_is_on_other_interfaces_and_are_set_back() {
    if !can_run() {
        return;
    }
    let (host, router) = lab();
    let read = |setting| router.run(&format!("cat /proc/sys/net/ipv4/conf/nic/{setting}")).1;
    let before = [read("rp_filter"), read("arp_ignore")];
    let guard = router.inside(|| Guard::by_settings("nic").unwrap());
    assert_eq!(guard.kind(), GuardKind::Settings);
    assert_eq!([read("rp_filter"), read("arp_ignore")], ["1\n", "1\n"]);
    assert!(host.pings_in_vain(COMMON), "the kernel answered ARP for an address of another interface");
    router.inside(move || drop(guard));
    assert_eq!([read("rp_filter"), read("arp_ignore")], before);
    assert!(host.pings(COMMON));
    assert!(router.inside(|| Guard::attach("none")).is_err());
}
