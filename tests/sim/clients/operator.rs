//! The operator: makes, alters and deletes topics, and deletes their oldest records.

use weir_protocol::code::Code;
use weir_protocol::name::TopicName;
use weir_protocol::native::{
    AlterTopic, CreateTopic, DeleteBefore, DeleteRecords, Durability, Request, Response, Settings,
    TopicDescription,
};

use crate::book::{Book, KEPT_MS, Way};
use crate::checker::topics::Being;
use crate::dice::Dice;
use crate::line::{Line, Lost};
use crate::trace::note;

/// The names there may be: few, so that each is used again.
const NAMES: [&str; 4] = ["blue", "green", "red", "white"];

/// Bytes of a segment, as few as a topic may have, so that logs roll.
const SEGMENT_BYTES: u64 = 1 << 20;

/// More than any batch of a simulation has.
const BATCH_BYTES_MAX: u64 = 64 << 10;

/// Works until it should go.
pub(crate) async fn operate(book: Book, way: Way, mut dice: Dice) {
    while !way.is_over() {
        let Some(pipe) = way.connect(&mut dice) else { return };
        match Line::greet(pipe).await {
            Ok(line) => {
                let mut operator = Operator { book: &book, line };
                if let Err(lost) = operator.run(&way, &mut dice).await {
                    book.lost("the operator", &lost);
                }
            }
            Err(lost) => book.lost("the operator", &lost),
        }
        way.pause(&mut dice, 100).await;
    }
}

struct Operator<'a> {
    book: &'a Book,
    line: Line,
}

impl Operator<'_> {
    async fn run(&mut self, way: &Way, dice: &mut Dice) -> Result<(), Lost> {
        while !way.is_over() {
            let name = *dice.pick(&NAMES);
            let few = self.book.known().len() < 2;
            match dice.below(15) {
                _ if few => self.create(name, dice).await?,
                0..5 => self.create(name, dice).await?,
                5..8 => self.alter(name).await?,
                8..13 => self.trim(dice).await?,
                _ => self.delete(name).await?,
            }
            way.pause(dice, 400).await;
        }
        Ok(())
    }

    async fn create(&mut self, name: &str, dice: &mut Dice) -> Result<(), Lost> {
        let partitions = 1 + dice.below(3) as u32;
        let durability = Some(*dice.pick(&[Durability::Synced, Durability::Written]));
        let segment_bytes = Some(SEGMENT_BYTES);
        let batch_bytes_max = Some(BATCH_BYTES_MAX);
        let retention_ms = dice.percent(50).then_some(KEPT_MS);
        let settings = Settings {
            durability,
            segment_bytes,
            batch_bytes_max,
            retention_ms,
            ..Settings::default()
        };
        let create = CreateTopic { name: parsed(name), partitions, settings };
        note!(
            self.book.trace,
            "the operator creates {name}: {partitions}, {durability:?}, kept {retention_ms:?}"
        );
        self.change(name, Being::New { partitions }, &Request::CreateTopic(create)).await
    }

    async fn alter(&mut self, name: &str) -> Result<(), Lost> {
        let ids = self.book.open().topics.ids(name);
        let known = self.book.known().into_iter().find(|known| ids.contains(&known.id));
        let Some(known) = known.filter(|known| known.partitions < 5) else { return Ok(()) };
        let (id, partitions) = (known.id, known.partitions + 1);
        let settings = Settings::default();
        let alter = AlterTopic { name: parsed(name), partitions: Some(partitions), settings };
        note!(self.book.trace, "the operator alters {name}: {partitions}");
        self.change(name, Being::Some { id, partitions }, &Request::AlterTopic(alter)).await
    }

    async fn delete(&mut self, name: &str) -> Result<(), Lost> {
        note!(self.book.trace, "the operator deletes {name}");
        let ids = self.book.open().topics.ids(name);
        for id in ids {
            self.book.unlearn(id);
        }
        self.change(name, Being::None, &Request::DeleteTopic { name: parsed(name) }).await
    }

    /// Deletes some of what a partition has.
    async fn trim(&mut self, dice: &mut Dice) -> Result<(), Lost> {
        let topic = dice.pick(&self.book.known()).clone();
        let partition = dice.below(u64::from(topic.partitions)) as u32;
        let place = (topic.id, partition);
        let offset = dice.below(self.book.open().checker.owed_tail(place) + 1);
        note!(self.book.trace, "the operator deletes {place:?} below {offset}");
        self.book.open().checker.may_trim(place, offset);
        let before = DeleteBefore::Offset(offset);
        let delete = DeleteRecords { topic: topic.id, partition, before };
        match self.line.ask(&Request::DeleteRecords(delete)).await? {
            Ok(Response::RecordsDeleted { start }) => {
                note!(self.book.trace, "the operator hears that {place:?} begins at {start}");
                let outcome = self.book.open().checker.trimmed(place, start);
                self.book.judge(outcome);
            }
            Ok(other) => return Err(Lost::Nonsense(format!("a deletion brings {other:?}"))),
            Err(error) => {
                note!(self.book.trace, "the operator hears of {place:?}: {}", error.code);
            }
        }
        Ok(())
    }

    /// Asks for a change behind which the topic would be `being`.
    async fn change(&mut self, name: &str, being: Being, request: &Request) -> Result<(), Lost> {
        self.book.open().topics.may_be(name, being);
        let answer = self.line.ask(request).await?;
        note!(self.book.trace, "the operator hears of {name}: {}", said(&answer));
        match answer {
            Ok(Response::Topic(topic)) => self.is(name, &topic),
            Ok(Response::Deleted) => self.book.open().topics.is(name, Being::None),
            Ok(other) => return Err(Lost::Nonsense(format!("a change brings {other:?}"))),
            Err(error) if error.code == Code::TopicExists => {
                self.book.open().topics.is_not(name, being);
            }
            Err(error) if error.code == Code::UnknownTopic => {
                self.book.open().topics.is(name, Being::None);
            }
            // What was there before is still there, or what was asked for is; a listing says.
            Err(_) => {}
        }
        Ok(())
    }

    fn is(&self, name: &str, topic: &TopicDescription) {
        let partitions = u32::try_from(topic.partitions.len()).expect("partitions are limited");
        self.book.open().topics.is(name, Being::Some { id: topic.id, partitions });
        self.book.learn(topic);
    }
}

fn said(answer: &Result<Response, weir_protocol::native::ErrorReply>) -> String {
    match answer {
        Ok(Response::Topic(topic)) => format!("it is {}", topic.id),
        Ok(other) => format!("{:?}", other.kind()),
        Err(error) => error.code.to_string(),
    }
}

fn parsed(name: &str) -> TopicName {
    TopicName::parse(name).expect("the names are valid")
}
