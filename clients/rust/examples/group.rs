//! Works records off as a member of a group: start it in several terminals, stop one, start it
//! again. What a member had in hand when it was stopped is given to another.
//!
//! ```text
//! cargo run -p weir-client --example group -- lines billing
//! ```

use weir_client::{Client, Rebalance, Start, TopicPartition};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(topic), Some(group)) = (arguments.next(), arguments.next()) else {
        return Err("name a topic and a group: group TOPIC GROUP".into());
    };
    let server = std::env::var("WEIR_SERVER").unwrap_or_else(|_| String::from("127.0.0.1:7700"));
    let client = Client::builder().name("group example").connect(server).await?;

    let consumer = client.consumer(topic).group(group).from(Start::Earliest);
    let mut consumer = consumer
        .on_rebalance(|rebalance| match rebalance {
            Rebalance::Assigned(partitions) => eprintln!("mine now: {}", listed(partitions)),
            Rebalance::Revoked(partitions) => eprintln!("another's now: {}", listed(partitions)),
            Rebalance::Lost(partitions) => eprintln!("lost: {}", listed(partitions)),
        })
        .build()
        .await?;
    loop {
        tokio::select! {
            next = consumer.next() => match next {
                // It counts as worked off when the next one is asked for.
                Some(record) => {
                    let record = record?;
                    let value = record.value.as_deref().unwrap_or_default();
                    let value = String::from_utf8_lossy(value);
                    println!("{} {} {value}", record.partition, record.offset);
                }
                None => return Ok(()),
            },
            stopped = tokio::signal::ctrl_c() => {
                stopped?;
                // Commits what is worked off, and hands the partitions on at once.
                return Ok(consumer.close().await?);
            }
        }
    }
}

fn listed(partitions: &[TopicPartition]) -> String {
    let each: Vec<String> = partitions.iter().map(ToString::to_string).collect();
    each.join(", ")
}
