//! What a node predicts of a failure, and what then really happens.

use std::collections::BTreeMap;
use std::time::Duration;

use isthmus_tests::lab::{self, Node, TwoExits, wait};
use serde_json::{Value, json};

/// Routes by prefix: metric and next hops.
fn routes(node: &Node) -> BTreeMap<String, Value> {
    let routes = node.list("/ospf/local-rib", "route").unwrap_or_default();
    routes.into_iter().map(|route| (route["prefix"].to_string(), route)).collect()
}

/// Input: the second border router, which has the databases of both areas, is asked what its routes would be without the first one,
/// then that one is killed.
/// Output: the routes are those that were predicted.
#[test]
fn the_loss_of_a_border_router_is_as_predicted() {
    lab::run("what-if", |lab| {
        let exits = TwoExits::build(lab);
        let before = routes(&exits.n2);
        let answer = exits.n2.cli(&["ospf", "what-if", "--node-down", &exits.n1.router_id(), "-o", "json"]);
        let answer: Value = serde_json::from_str(&answer).expect("JSON");
        assert_eq!(routes(&exits.n2), before, "asking changes nothing");
        let mut predicted = before.clone();
        for route in answer["route"].as_array().expect("a list") {
            let prefix = route["prefix"].to_string();
            assert_eq!(before.get(&prefix).unwrap_or(&json!(null)), &route["before"]);
            match &route["after"] {
                Value::Null => predicted.remove(&prefix),
                after => predicted.insert(prefix, after.clone()),
            };
        }
        assert_ne!(predicted, before);
        exits.n1.kill();
        wait("the routes that were predicted", Duration::from_secs(20), || match routes(&exits.n2) {
            real if real == predicted => Ok(()),
            real => Err(format!("{real:#?}\nare not\n{predicted:#?}")),
        });
    });
}
