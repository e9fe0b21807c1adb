//! Works on a queue: prints each record and says that it is done. Stopped by Ctrl-C, it ends what
//! it has begun and gives back the rest.
//!
//! ```text
//! weir queue create jobs
//! cargo run -p weir-client --example work -- jobs
//! ```

use weir_client::Client;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let queue = std::env::args().nth(1).ok_or("name a queue: work QUEUE")?;
    let server = std::env::var("WEIR_SERVER").unwrap_or_else(|_| String::from("127.0.0.1:7700"));
    let client = Client::builder().name("work example").connect(server).await?;

    let mut worker = client.queue(queue).concurrency(8).build().await?;
    loop {
        let leased = tokio::select! {
            leased = worker.next() => match leased {
                Some(leased) => leased?,
                None => return Ok(()),
            },
            _ = tokio::signal::ctrl_c() => break,
        };
        let value = leased.record().value.as_deref().unwrap_or_default();
        println!("{} (delivery {})", String::from_utf8_lossy(value), leased.deliveries());
        leased.ack().await?;
    }
    worker.drain().await;
    Ok(())
}
