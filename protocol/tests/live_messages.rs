//! The messages of `docs/live.md`, the shapes of `docs/live.schema.json` and the types of
//! `weir_protocol::web::live` are the same.
//!
//! Every example is taken by both. Then each is spoiled, member by member: what the types refuse
//! the shapes must refuse too, and the other way round.

mod live {
    pub(crate) mod schema;
}

use live::schema::Schema;
use serde_json::{Map, Value, json};
use weir_protocol::web::live::{Ask, Tell};

const PAGE: &str = include_str!("../../docs/live.md");
const SHAPES: &str = include_str!("../../docs/live.schema.json");

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Client,
    Broker,
}

/// The examples of the page.
fn examples() -> Vec<Map<String, Value>> {
    let mut fences = PAGE.split("```json\n").skip(1);
    let mut found = Vec::new();
    for fence in &mut fences {
        let text = fence.split("```").next().expect("a split has a first part");
        found.push(serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}")));
    }
    found
}

fn side(message: &Map<String, Value>) -> Side {
    match message["type"].as_str() {
        Some("subscribe" | "credit" | "unsubscribe" | "publish" | "ping") => Side::Client,
        _ => Side::Broker,
    }
}

/// Whether the types take it.
fn is_taken(side: Side, message: &Map<String, Value>) -> bool {
    let text = Value::Object(message.clone()).to_string();
    match side {
        Side::Client => Ask::parse(&text).is_ok(),
        Side::Broker => matches!(Tell::parse(&text), Ok(tell) if !matches!(tell, Tell::Unknown)),
    }
}

fn is_shaped(shapes: &Schema, side: Side, message: &Map<String, Value>) -> bool {
    let name = match side {
        Side::Client => "asked",
        Side::Broker => "told",
    };
    shapes.takes(name, &Value::Object(message.clone()))
}

#[test]
fn every_message_has_an_example_that_types_and_shapes_take() {
    let shapes = Schema::parse(SHAPES);
    let examples = examples();
    for message in &examples {
        assert!(is_taken(side(message), message), "{message:?}");
        assert!(is_shaped(&shapes, side(message), message), "{message:?}");
    }
    for name in shapes.alternatives("asked").iter().chain(&shapes.alternatives("told")) {
        let has = |message: &Map<String, Value>| message["type"] == name.as_str();
        assert!(examples.iter().any(has), "no example of '{name}'");
    }
}

#[test]
fn what_an_example_says_is_all_written_again() {
    for message in examples() {
        let text = Value::Object(message.clone()).to_string();
        let mut again = Vec::new();
        match side(&message) {
            Side::Client => Ask::parse(&text).unwrap().push_to(&mut again),
            Side::Broker => Tell::parse(&text).unwrap().push_to(&mut again),
        }
        let again: Map<String, Value> = serde_json::from_slice(&again).unwrap();
        assert_eq!(again, message);
    }
}

#[test]
fn types_and_shapes_refuse_the_same() {
    let shapes = Schema::parse(SHAPES);
    let mut refused = 0;
    for message in examples() {
        let side = side(&message);
        for name in message.keys() {
            // What HTTP describes is looked at by who knows it.
            let others: &[Value] = match &**name {
                "type" | "record" => &[json!([])],
                "records" if side == Side::Client => &[],
                "retry" | "code" | "detail" | "from" | "topic" | "bookmark" | "protocol" => {
                    &[json!(1), json!([]), json!({})]
                }
                _ => &[json!("1"), json!(-1), json!(1.5), json!([1]), json!({"a": 1})],
            };
            let mut spoiled: Vec<_> = Vec::new();
            let mut without = message.clone();
            without.remove(name);
            spoiled.push(without);
            for other in others.iter().filter(|_| name != "record") {
                let mut changed = message.clone();
                changed.insert(name.clone(), other.clone());
                spoiled.push(changed);
            }
            for message in spoiled {
                let is_taken = is_taken(side, &message);
                assert_eq!(is_taken, is_shaped(&shapes, side, &message), "{message:?}");
                refused += usize::from(!is_taken);
            }
        }
        let mut more = message.clone();
        more.insert("colour".to_owned(), json!(1));
        assert_eq!(is_taken(side, &more), side == Side::Broker, "{more:?}");
        assert_eq!(is_shaped(&shapes, side, &more), side == Side::Broker, "{more:?}");
    }
    assert!(100 < refused, "{refused}");
}

#[test]
fn shapes_bound_numbers_as_the_types_do() {
    let shapes = Schema::parse(SHAPES);
    for (name, most) in [("sub", u64::from(u32::MAX)), ("credit", 1_000_000)] {
        for number in [0, most, most + 1] {
            let mut message = json!({"type": "credit", "sub": 1, "seen": 1, "credit": 1});
            message[name] = json!(number);
            let Value::Object(message) = message else { unreachable!("it was made as one") };
            assert_eq!(is_taken(Side::Client, &message), number <= most, "{message:?}");
            assert_eq!(is_shaped(&shapes, Side::Client, &message), number <= most, "{message:?}");
        }
    }
}
