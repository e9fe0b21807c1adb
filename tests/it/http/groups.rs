//! Consumer groups, as HTTP shows them.

use reqwest::StatusCode;
use serde_json::{Value, json};
use weir_client::{Client, Start};

use super::Web;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_is_shown_with_its_members_and_its_lag() {
    let web = Web::start().await;
    assert_eq!(web.get("/v1/groups").await, (StatusCode::OK, json!({"groups": []})));
    let (status, problem) = web.get("/v1/groups/billing").await;
    assert_eq!((status, &problem["code"]), (StatusCode::NOT_FOUND, &json!("UNKNOWN_GROUP")));
    let (status, problem) = web.get("/v1/groups/a%0Ab").await;
    assert_eq!((status, &problem["code"]), (StatusCode::BAD_REQUEST, &json!("INVALID_NAME")));

    web.create("flights", 1).await;
    web.publish("flights", r#"[{"value": 1}, {"value": 2}, {"value": 3}]"#).await;
    let client = Client::connect(web.broker.native().to_string()).await.unwrap();
    let consumer = client.consumer("flights").group("billing").from(Start::Earliest);
    let mut consumer = consumer.instance("till-7").build().await.unwrap();
    consumer.next().await.unwrap().unwrap();
    consumer.commit().await.unwrap();

    let (_, listed) = web.get("/v1/groups").await;
    let group = json!({
        "name": "billing", "shared_out_by": "broker", "state": "stable", "members": 1
    });
    assert_eq!(listed, json!({"groups": [group]}));
    let (_, shown) = web.get("/v1/groups/billing").await;
    let partition = &shown["partitions"][0];
    assert_eq!(partition["topic"], "flights");
    let place = [&partition["offset"], &partition["tail"], &partition["lag"]];
    assert_eq!(place, [&json!(1), &json!(3), &json!(2)]);
    assert_eq!(partition["member"], shown["member_list"][0]["id"]);
    assert_eq!(shown["member_list"][0]["instance"], "till-7");

    consumer.close().await.unwrap();
    let (_, shown) = web.get("/v1/groups/billing").await;
    assert_eq!((&shown["state"], &shown["member_list"]), (&json!("empty"), &json!([])));
    assert_eq!(shown["partitions"][0]["member"], Value::Null);
    web.broker.stop().await;
}
