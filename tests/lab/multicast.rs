//! Programs on the nodes' kernels that send to multicast groups and join them, as multicast DNS does.

use std::time::Duration;

use isthmus_tests::lab::{self, Capture, Lab, Namespace, Node, NodeConfig, await_cluster, wait};

const GROUP: &str = "239.1.2.3";

/// Joins a group on the device with an address and prints each datagram.
const RECEIVE: &str = "
import socket, struct, sys
group, own = sys.argv[1:]
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind((group, 5353))
s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group) + socket.inet_aton(own))
print('joined', flush=True)
while True:
    data, peer = s.recvfrom(2048)
    print(data.decode(), 'from', peer[0], flush=True)
";

/// Sends numbered datagrams to a group by the device with an address.
const SEND: &str = "
import socket, sys, time
group, own, first, count = sys.argv[1:]
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(own))
s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
for number in range(int(first), int(first) + int(count)):
    s.sendto(b'datagram %d' % number, (group, 5353))
    time.sleep(0.01)
";

fn send(from: &Namespace, own: &str, first: u32, count: u32) {
    from.run(&["python3", "-c", SEND, GROUP, own, &first.to_string(), &count.to_string()]);
}

/// The frames that a node has not sent on its LSM since nobody takes them.
fn without_listener(node: &Node) -> Result<u64, String> {
    let rings = node.list("/shm/rings", "group-ring")?;
    let of_lsm = rings
        .iter()
        .filter(|ring| ring["network"] == "lsm" && ring["kind"] == "multicast")
        .filter_map(|ring| ring["unwanted"].as_u64());
    Ok(of_lsm.sum())
}

fn cluster(lab: &Lab) -> [std::rc::Rc<Node>; 3] {
    let nodes = [1, 2, 3].map(|id| lab.node(&lab.namespace(&format!("n{id}")), NodeConfig::inside(id)));
    await_cluster(&nodes.each_ref());
    nodes
}

/// Input: three nodes; the kernel of the first sends to a group on `lsm0`, first while nobody has joined it, then while
/// the second has, then while the second and the third have. Output: what nobody has joined is not sent, and counted; each
/// member gets each datagram once and in order; the third gets none before it joins.
#[test]
fn a_group_reaches_the_kernels_that_have_joined_it_each_datagram_once() {
    lab::run("multicast", |lab| {
        let [n1, n2, n3] = cluster(lab);
        let filter = format!("udp and dst host {GROUP}");
        let at_stranger = Capture::start(lab, n3.namespace(), "lsm0", &filter);

        let before = without_listener(&n1).unwrap();
        send(n1.namespace(), "10.77.0.1", 0, 10);
        wait("what nobody has joined is counted", Duration::from_secs(20), || {
            let dropped = without_listener(&n1)? - before;
            if dropped >= 10 { Ok(()) } else { Err(format!("{dropped} frames without a listener")) }
        });

        let member = n2.namespace().spawn(&["python3", "-c", RECEIVE, GROUP, "10.77.0.2"]);
        wait("the group's first datagram arrives", Duration::from_secs(20), || {
            send(n1.namespace(), "10.77.0.1", 100, 1);
            if member.output().contains("datagram 100 ") { Ok(()) } else { Err(member.output()) }
        });
        send(n1.namespace(), "10.77.0.1", 200, 50);
        wait("the member has all", Duration::from_secs(20), || {
            if member.output().contains("datagram 249 ") { Ok(()) } else { Err(member.output()) }
        });
        assert_eq!(at_stranger.stop().matching("udp"), [""; 0], "the third node has not joined");

        let late = n3.namespace().spawn(&["python3", "-c", RECEIVE, GROUP, "10.77.0.3"]);
        wait("the late member's first datagram arrives", Duration::from_secs(20), || {
            send(n1.namespace(), "10.77.0.1", 300, 1);
            if late.output().contains("datagram 300 ") { Ok(()) } else { Err(late.output()) }
        });
        send(n1.namespace(), "10.77.0.1", 400, 50);
        for (process, numbers) in
            [(&member, (200..250).chain(400..450).collect::<Vec<u32>>()), (&late, (400..450).collect())]
        {
            wait("a member has all", Duration::from_secs(20), || {
                if process.output().contains("datagram 449 ") { Ok(()) } else { Err(process.output()) }
            });
            let output = process.output();
            let got: Vec<&str> = output
                .lines()
                .filter(|line| {
                    !["joined", "datagram 100 from 10.77.0.1", "datagram 300 from 10.77.0.1"].contains(line)
                })
                .collect();
            let expected: Vec<String> =
                numbers.iter().map(|number| format!("datagram {number} from 10.77.0.1")).collect();
            assert_eq!(got, expected, "each once and in order");
        }
    });
}
