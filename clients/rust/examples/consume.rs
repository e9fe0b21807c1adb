//! Prints every record that a topic has, then what comes, until it is stopped; with `--once` it
//! ends at the tail.
//!
//! ```text
//! cargo run -p weir-client --example consume -- lines --once
//! ```

use futures_util::TryStreamExt;
use weir_client::{Client, Start};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let topic = std::env::args().nth(1).ok_or("name a topic: consume TOPIC [--once]")?;
    let server = std::env::var("WEIR_SERVER").unwrap_or_else(|_| String::from("127.0.0.1:7700"));
    let client = Client::builder().name("consume example").connect(server).await?;

    let mut consumer = client.consumer(topic).from(Start::Earliest).on_gap(|lost| {
        eprintln!("partition {} lost offsets {:?} at a crash", lost.partition, lost.span);
    });
    if std::env::args().any(|argument| argument == "--once") {
        consumer = consumer.until_tail();
    }
    let mut records = consumer.build().await?;
    while let Some(record) = records.try_next().await? {
        let value = record.value.as_deref().unwrap_or_default();
        println!("{} {} {}", record.partition, record.offset, String::from_utf8_lossy(value));
    }
    Ok(())
}
