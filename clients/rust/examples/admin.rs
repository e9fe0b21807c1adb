//! Makes a topic, shows it, gives it a partition more, lists all topics, and deletes it.
//!
//! ```text
//! cargo run -p weir-client --example admin
//! ```

use weir_client::{Client, Code, Durability, OffsetAt, Settings};

const TOPIC: &str = "admin-example";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = std::env::var("WEIR_SERVER").unwrap_or_else(|_| String::from("127.0.0.1:7700"));
    let client = Client::builder().name("admin example").connect(server).await?;
    let broker = client.server();
    println!("{} {} at {}", broker.server_name, broker.server_version, client.address());

    let settings = Settings { durability: Some(Durability::Written), ..Settings::default() };
    match client.create_topic(TOPIC, 2, settings).await {
        Ok(topic) => println!("made {} with id {}", topic.name, topic.id),
        Err(error) if error.code() == Some(Code::TopicExists) => println!("{error}"),
        Err(error) => return Err(error.into()),
    }
    let more = client.alter_topic(TOPIC, Some(3), Settings::default()).await?;
    println!("{} has {} partitions now", more.name, more.partitions.len());
    let latest = client.list_offsets(more.id, 0, OffsetAt::Latest).await?;
    println!("its partition 0 ends at offset {}", latest.offset);

    for topic in client.topics().await? {
        println!("{}: {} partitions", topic.name, topic.partitions.len());
    }
    client.delete_topic(TOPIC).await?;
    println!("deleted {TOPIC}");
    Ok(())
}
