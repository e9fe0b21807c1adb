//! A client that keeps a connection and gives nothing for it, by a clock that the test moves.

use tokio::io::{DuplexStream, duplex};
use tokio::time::{MissedTickBehavior, interval};

use super::super::pulse::TICK;
use super::*;

const MESSAGE_BYTES_MAX: usize = 64 << 10;

/// Listens as a talk does, until the connection is over; how it is closed, and at which tick.
async fn listened(near: DuplexStream) -> (Option<u16>, u32) {
    let mut wire = Wire::open(near, b"", MESSAGE_BYTES_MAX).await;
    let (mut ticks, mut count) = (interval(TICK), 0);
    ticks.reset();
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        wire.flush().await.unwrap();
        let over = tokio::select! {
            _ = ticks.tick() => {
                count += 1;
                wire.tick().map_err(Some)
            }
            heard = wire.hear() => match heard {
                Heard::Text(_) | Heard::Binary(_) => Ok(()),
                Heard::End(frame) => Err(frame),
            },
        };
        if let Err(frame) = over {
            return (frame.map(|frame| frame.code.into()), count);
        }
    }
}

/// A client's frame, with a mask of zeros.
fn frame(head: u8, payload: &[u8]) -> Vec<u8> {
    [&[head, 0x80 | payload.len() as u8][..], &[0; 4], payload].concat()
}

#[tokio::test(start_paused = true)]
async fn who_sends_nothing_is_pinged_and_let_go() {
    let (near, mut far) = duplex(1 << 20);
    let listening = tokio::spawn(listened(near));
    assert_eq!(listening.await.unwrap(), (Some(4_009), 9));
    let mut came = Vec::new();
    far.read_to_end(&mut came).await.unwrap();
    let alive = br#"{"type":"alive"}"#;
    let said = [&[0x81, alive.len() as u8][..], alive, &[0x89, 0]].concat();
    assert_eq!(came, said.repeat(2));
}

#[tokio::test(start_paused = true)]
async fn who_answers_pings_stays_for_ever() {
    let (near, mut far) = duplex(1 << 20);
    let listening = tokio::spawn(listened(near));
    for _ in 0..100 {
        far.write_all(&frame(0x8a, b"")).await.unwrap();
        tokio::time::advance(Duration::from_secs(40)).await;
    }
    assert!(!listening.is_finished());
    drop(far);
    assert_eq!(listening.await.unwrap().0, Some(1_002), "it left without a word");
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_pieces_never_end_does() {
    for pause_s in [1, 4, 7] {
        let (near, mut far) = duplex(1 << 20);
        let listening = tokio::spawn(listened(near));
        far.write_all(&frame(0x01, b"{")).await.unwrap();
        while !listening.is_finished() {
            // Pongs make nothing of it whole.
            let pieces = [frame(0x00, b" "), frame(0x8a, b"x")].concat();
            if far.write_all(&pieces).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_secs(pause_s)).await;
        }
        assert_eq!(listening.await.unwrap(), (Some(4_009), 7), "after 30 s and a part of a tick");
    }
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_comes_byte_by_byte_has_as_long_as_any_message() {
    let (near, mut far) = duplex(1 << 20);
    let listening = tokio::spawn(listened(near));
    for byte in frame(0x81, &[b' '; 100]) {
        if listening.is_finished() || far.write_all(&[byte]).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(listening.await.unwrap().0, Some(4_009));
}

#[tokio::test]
async fn a_message_in_pieces_is_one_and_what_is_pinged_between_them_is_answered() {
    let (near, mut far) = duplex(1 << 20);
    let mut wire = Wire::open(near, &frame(0x01, b"a"), MESSAGE_BYTES_MAX).await;
    for piece in [frame(0x89, b"p"), frame(0x00, b"b"), frame(0x80, b"c")] {
        far.write_all(&piece).await.unwrap();
    }
    let Heard::Text(text) = wire.hear().await else { panic!("it is a text") };
    assert_eq!(text, "abc");
    wire.flush().await.unwrap();
    let mut pong = [0; 3];
    far.read_exact(&mut pong).await.unwrap();
    assert_eq!(&pong, b"\x8a\x01p");
}
