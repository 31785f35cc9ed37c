//! The link monitor: what the operator and the cable do shows as events and in the carrier flag.

use std::time::Duration;

use isthmus::kernel::monitor::{LinkEvent, LinkMonitor, Watch};
use isthmus::port::CarrierFlag;
use isthmus::port::packet::PacketPort;

use crate::namespace::{Namespace, can_run};

async fn until(monitor: &mut LinkMonitor, condition: impl Fn(&LinkEvent) -> bool) -> LinkEvent {
    let wait = async {
        loop {
            let event = monitor.next().await.unwrap();
            if condition(&event) {
                return event;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait).await.unwrap()
}

#[test]
fn changes_of_a_link_are_told() {
    if !can_run() {
        return;
    }
    let (near, far) = (Namespace::new(), Namespace::new());
    near.join("nic", &far, "peer");
    near.inside(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let carrier = CarrierFlag::new(false);
            let watch = Watch { name: "nic".to_owned(), index: None, carrier: Some(carrier.clone()) };
            let later = Watch { name: "later".to_owned(), index: None, carrier: None };
            let mut monitor = LinkMonitor::start(vec![watch, later]).unwrap();
            let absent = until(&mut monitor, |event| event.name == "later").await;
            assert!(absent.gone && !absent.carrier);
            assert!(carrier.is_up());

            far.ip("link set peer down");
            let lost = until(&mut monitor, |event| event.name == "nic" && !event.carrier).await;
            assert!(lost.admin_up && !lost.gone);
            assert!(!carrier.is_up());
            far.ip("link set peer up");
            until(&mut monitor, |event| event.name == "nic" && event.carrier).await;
            assert!(carrier.is_up());

            near.ip("link set nic down");
            let down = until(&mut monitor, |event| event.name == "nic" && !event.admin_up).await;
            assert!(!down.carrier && !down.gone);
            near.ip("link set nic mtu 1400 up");
            until(&mut monitor, |event| event.mtu == 1400 && event.carrier).await;

            near.ip("addr add 10.96.0.1/24 dev nic");
            let address = "10.96.0.1/24".parse().unwrap();
            until(&mut monitor, |event| event.addresses.contains(&address)).await;
            near.ip("addr del 10.96.0.1/24 dev nic");
            until(&mut monitor, |event| event.name == "nic" && event.addresses.is_empty()).await;

            near.ip("link add later type veth peer name later-peer");
            let made = until(&mut monitor, |event| event.name == "later" && !event.gone).await;
            assert!(!made.admin_up && made.addresses.is_empty());
            near.ip("link add bridge type bridge");
            near.ip("link set later master bridge");
            near.ip("link set later nomaster");
            near.ip("link set later up");
            let up =
                until(&mut monitor, |event| event.name == "later" && (event.admin_up || event.gone)).await;
            assert!(!up.gone, "a port that left its bridge is taken for gone");
            near.ip("link del nic");
            until(&mut monitor, |event| event.name == "nic" && event.gone).await;
            assert!(!carrier.is_up());
        });
    });
}

#[test]
fn another_interface_of_the_same_name_is_no_carrier_for_the_port() {
    if !can_run() {
        return;
    }
    let (near, far) = (Namespace::new(), Namespace::new());
    near.join("nic", &far, "peer");
    near.inside(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let carrier = CarrierFlag::new(false);
            let port = PacketPort::open("nic", carrier.clone()).unwrap();
            let index = Some(port.interface_index());
            let watch = Watch { name: "nic".to_owned(), index, carrier: Some(carrier.clone()) };
            let mut monitor = LinkMonitor::start(vec![watch]).unwrap();
            let first = until(&mut monitor, |event| event.carrier).await;
            assert_eq!((Some(first.index), first.replaced), (index, false));
            near.ip("link del nic");
            until(&mut monitor, |event| event.gone).await;
            near.join("nic", &far, "peer");
            let second = until(&mut monitor, |event| event.replaced && event.admin_up).await;
            assert!(!second.carrier && !second.gone && Some(second.index) != index);
            assert!(!carrier.is_up());
        });
    });
}
