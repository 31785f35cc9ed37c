//! `lsm0` and `gsm0`: TAP ports as the kernel sees them, with addresses and routes.

use std::net::UdpSocket;
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use etherparse::{NetSlice, SlicedPacket};
use ipnet::Ipv4Net;
use isthmus::forward::DropReason;
use isthmus::kernel::Kernel;
use isthmus::kernel::adapter::Adapter;
use isthmus::kernel::routes::{KernelRoutes, RoutePath};
use isthmus::packet::Pool;
use isthmus::port::tap::{TapConfig, TapPort};
use isthmus::port::{OpenError, Port};

use crate::namespace::{Namespace, can_run};
use crate::nic::{Stop, relay, transfer};

fn net(text: &str) -> Ipv4Net {
    text.parse().unwrap()
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

fn colons(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// Receives until a frame is as wanted; answers ARP as a worker does.
fn wait_for(port: &mut TapPort, wanted: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut pool = Pool::new(32);
    for _ in 0..100 {
        let mut batch = Vec::new();
        port.receive(&mut batch, &mut pool, 32);
        for buffer in batch {
            let frame = buffer.bytes().to_vec();
            pool.give(buffer);
            if wanted(&frame) {
                return frame;
            }
            if frame[12..14] == [0x08, 0x06] {
                answer_arp(port, &frame);
            }
        }
        thread::sleep(Duration::from_millis(20));
    }
    panic!("the frame did not come");
}

fn answer_arp(port: &mut TapPort, request: &[u8]) {
    let mac = port.info().mac;
    let mut reply = request[..42].to_vec();
    reply[..6].copy_from_slice(&request[6..12]);
    reply[6..12].copy_from_slice(&mac);
    reply[21] = 2;
    reply[22..28].copy_from_slice(&mac);
    reply[28..32].copy_from_slice(&request[38..42]);
    reply[32..42].copy_from_slice(&request[22..32]);
    port.transmit(&reply).unwrap();
    port.flush();
}

#[test]
fn the_kernel_has_the_adapters_with_addresses_and_sends_through_them() {
    if !can_run() {
        return;
    }
    let namespace = Namespace::new();
    namespace.inside(|| {
        let config = TapConfig::new("lsm0", 3, 9000);
        let mut port = TapPort::open(&config).unwrap();
        assert_eq!(port.transmit(&[0; 60]), Err(DropReason::InterfaceDown));
        block_on(async {
            let kernel = Kernel::connect().unwrap();
            kernel.configure(&Adapter::lsm("lsm0", 9000, net("10.77.0.9/24"))).await.unwrap();
            kernel.configure(&Adapter::lsm("lsm0", 9000, net("10.77.0.3/24"))).await.unwrap();
            kernel.configure(&Adapter::lsm("lsm0", 9000, net("10.77.0.3/24"))).await.unwrap();
        });
        let shown = namespace.ip("addr show lsm0");
        assert!(shown.contains("inet 10.77.0.3/24") && !shown.contains("10.77.0.9"), "{shown}");
        assert!(shown.contains("mtu 9000") && shown.contains(&colons(config.kernel_mac)), "{shown}");
        assert!(shown.contains("LOWER_UP") && !shown.contains("inet6"), "{shown}");
        let settings = ["rp_filter", "arp_ignore", "arp_announce"]
            .map(|name| namespace.run(&format!("cat /proc/sys/net/ipv4/conf/lsm0/{name}")).1);
        assert_eq!(settings, ["2\n", "1\n", "2\n"]);

        let socket = UdpSocket::bind("10.77.0.3:0").unwrap();
        socket.send_to(b"hello", "10.77.0.1:4000").unwrap();
        let frame = wait_for(&mut port, |frame| frame[12..14] == [8, 0] && frame.ends_with(b"hello"));
        assert_eq!(frame[..6], config.router_mac);
        let packet = SlicedPacket::from_ethernet(&frame).unwrap();
        let Some(NetSlice::Ipv4(ip)) = packet.net else { panic!("not IPv4") };
        let Some(etherparse::TransportSlice::Udp(udp)) = packet.transport else { panic!("not UDP") };
        let header = ip.header().to_header();
        let computed =
            udp.to_header().calc_checksum_ipv4_raw(header.source, header.destination, udp.payload());
        assert_eq!(udp.checksum(), computed.unwrap(), "the kernel left the checksum to us");
        assert!(port.statistics().checksums_completed > 0);

        let again = TapPort::open(&config).err().unwrap();
        assert!(matches!(again, OpenError::NameTaken { .. }), "{again}");
        namespace.ip("link add other type bridge");
        let other = TapPort::open(&TapConfig::new("other", 3, 1500)).err().unwrap();
        assert!(matches!(other, OpenError::NameTaken { .. }), "{other}");
        drop(port);
        assert!(!namespace.ip("link show").contains("lsm0"), "the device outlived its port");
    });
}

/// Names the test below to a process that runs only it.
const READ_ONLY: &str = "ISTHMUS_TEST_READ_ONLY_SETTINGS";

/// As in a container: `/proc/sys` is read-only. A mount namespace belongs to a process, so a second one does the work.
#[test]
fn settings_that_cannot_be_changed_are_lived_with_unless_they_lose_packets() {
    if !can_run() {
        return;
    }
    if std::env::var_os(READ_ONLY).is_some() {
        return with_read_only_settings();
    }
    let script = "mount -t proc proc /mnt && mount --bind /proc/sys /proc/sys \
                  && mount -o remount,ro,bind /proc/sys && exec \"$@\"";
    let output = Command::new("unshare")
        .args(["-m", "sh", "-c", script, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args([
            "adapters::settings_that_cannot_be_changed_are_lived_with_unless_they_lose_packets",
            "--exact",
        ])
        .env(READ_ONLY, "1")
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && shown.contains("1 passed"), "{shown}");
}

fn with_read_only_settings() {
    let namespace = Namespace::new();
    namespace.inside(|| {
        for (strict, name) in [(false, "lsm0"), (true, "gsm0")] {
            // The same settings by a way that is not read-only, for devices made from here on.
            let default = "/mnt/sys/net/ipv4/conf/default/rp_filter";
            std::fs::write(default, if strict { "1" } else { "0" }).unwrap();
            std::fs::write("/mnt/sys/net/ipv4/conf/all/rp_filter", "0").unwrap();
            let _port = TapPort::open(&TapConfig::new(name, 3, 1500)).unwrap();
            let configured = block_on(async {
                Kernel::connect().unwrap().configure(&Adapter::lsm(name, 1500, net("10.77.0.3/24"))).await
            });
            let shown = namespace.ip(&format!("addr show {name}"));
            assert_eq!(shown.contains("inet 10.77.0.3/24"), !strict, "{shown}");
            match configured {
                Ok(()) => assert!(!strict),
                Err(error) => {
                    let error = error.to_string();
                    assert!(strict, "{error}");
                    assert!(error.contains("net.ipv4.conf.gsm0.rp_filter"), "{error}");
                    assert!(error.contains("net.ipv4.conf.default.rp_filter=2"), "{error}");
                }
            }
        }
    });
}

#[test]
fn routes_lead_to_the_router_with_the_local_address_as_source() {
    if !can_run() {
        return;
    }
    let namespace = Namespace::new();
    namespace.inside(|| {
        let _lsm = TapPort::open(&TapConfig::new("lsm0", 3, 1500)).unwrap();
        let _gsm = TapPort::open(&TapConfig::new("gsm0", 3, 1500)).unwrap();
        block_on(async {
            let kernel = Kernel::connect().unwrap();
            kernel.configure(&Adapter::lsm("lsm0", 1500, net("10.77.0.3/24"))).await.unwrap();
            let common = "10.200.0.1".parse().unwrap();
            kernel.configure(&Adapter::gsm("gsm0", 1500, net("10.78.0.3/24"), Some(common))).await.unwrap();
            let shown = namespace.ip("addr show gsm0");
            assert!(shown.contains("inet 10.78.0.3/24") && shown.contains("inet 10.200.0.1/32"), "{shown}");

            namespace.ip("route add 192.0.2.0/24 via 10.255.0.9 dev gsm0 onlink proto 73 metric 20");
            let path = RoutePath {
                adapter: "gsm0".to_owned(),
                gateway: "10.255.0.3".parse().unwrap(),
                source: "10.77.0.3".parse().unwrap(),
            };
            let mut routes = KernelRoutes::new(&kernel, path).await.unwrap();
            assert_eq!(ours(&namespace), Vec::<String>::new(), "what an earlier run left is gone");
            let first = [net("198.51.100.0/24"), net("203.0.113.7/24"), net("10.255.0.1/32")];
            assert_eq!(routes.sync(&kernel, &first).await.unwrap(), (3, 0));
            let chosen = namespace.ip("route get 203.0.113.5");
            assert!(chosen.contains("via 10.255.0.3 dev gsm0 src 10.77.0.3"), "{chosen}");

            let second = [net("198.51.100.0/24"), net("0.0.0.0/0")];
            assert_eq!(routes.sync(&kernel, &second).await.unwrap(), (1, 2));
            assert_eq!(ours(&namespace), ["198.51.100.0/24", "default"]);
            assert_eq!(routes.sync(&kernel, &second).await.unwrap(), (0, 0));

            namespace.ip("link set gsm0 down");
            namespace.ip("link set gsm0 up");
            assert_eq!(ours(&namespace), Vec::<String>::new());
            routes.forget();
            assert_eq!(routes.sync(&kernel, &second).await.unwrap(), (2, 0));
            assert_eq!(routes.installed().count(), 2);
            let many: Vec<_> =
                (0..2000_u32).map(|n| Ipv4Net::from(std::net::Ipv4Addr::from(0x0b00_0000 + n))).collect();
            assert_eq!(routes.sync(&kernel, &many).await.unwrap(), (2000, 2));
            assert_eq!(ours(&namespace).len(), 2000);
            assert_eq!(routes.sync(&kernel, &[]).await.unwrap(), (0, 2000));
            assert_eq!(ours(&namespace), Vec::<String>::new());
        });
    });
}

/// The prefixes of our routes, as `ip` lists them.
fn ours(namespace: &Namespace) -> Vec<String> {
    let shown = namespace.ip("route show proto 73");
    let mut prefixes: Vec<_> =
        shown.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect();
    prefixes.sort();
    prefixes
}

#[test]
fn bulk_tcp_between_two_kernels_arrives_in_frames_of_the_mtu() {
    if !can_run() {
        return;
    }
    let (client, server) = (Namespace::new(), Namespace::new());
    let adapter = |namespace: &Namespace, node: u16| {
        namespace.inside(|| {
            let port = TapPort::open(&TapConfig::new("lsm0", node, 9000)).unwrap();
            block_on(async {
                let address = net(&format!("10.77.0.{node}/24"));
                Kernel::connect().unwrap().configure(&Adapter::lsm("lsm0", 9000, address)).await.unwrap();
            });
            port
        })
    };
    let (left, right) = (adapter(&client, 1), adapter(&server, 2));
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let relaying = scope.spawn(|| relay(left, right, 9000, &stop));
        let running = Stop(&stop);
        transfer(&client, &server, "10.77.0.2:7000");
        drop(running);
        let seen = relaying.join().unwrap();
        println!("{} frames, {} super-frames, {} checksums", seen.frames, seen.segmented, seen.completed);
        assert!(seen.faults.is_empty(), "{:?}", &seen.faults[..seen.faults.len().min(5)]);
        assert!(seen.segmented > 0 && seen.completed > 0, "{seen:?}");
        assert_eq!(seen.errors, 0);
    });
}
