//! Sends a line of standard input as a record each, keyed by its first word, and says where each
//! went.
//!
//! ```text
//! weir topic create lines --partitions 4
//! cargo run -p weir-client --example produce -- lines < README.md
//! ```

use std::collections::VecDeque;
use std::io::BufRead;

use weir_client::{Client, NewRecord};

/// Records whose place was not printed yet; it need not be large for batches to be.
const PENDING_MAX: usize = 10_000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let topic = std::env::args().nth(1).ok_or("name a topic: produce TOPIC")?;
    let server = std::env::var("WEIR_SERVER").unwrap_or_else(|_| String::from("127.0.0.1:7700"));
    let client = Client::builder().name("produce example").connect(server).await?;
    let producer = client.producer(topic).build().await?;

    let mut pending = VecDeque::new();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let mut record = NewRecord::new(&line);
        if let Some(word) = line.split_whitespace().next() {
            record = record.key(word);
        }
        pending.push_back(producer.send(record).await?);
        if PENDING_MAX < pending.len()
            && let Some(oldest) = pending.pop_front()
        {
            print(oldest.await?);
        }
    }
    for delivery in pending {
        print(delivery.await?);
    }
    Ok(())
}

fn print(delivered: weir_client::Delivered) {
    match delivered.offset {
        Some(offset) => println!("partition {} offset {offset}", delivered.partition),
        None => println!("partition {}", delivered.partition),
    }
}
