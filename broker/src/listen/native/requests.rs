//! Requests that are not on the way of records: what the session answers, as frames.

use weir_protocol::code::Code;
use weir_protocol::limits::{BATCH_BYTES_MAX, FRAME_BYTES_MAX};
use weir_protocol::native::{
    AlterTopic, CreateTopic, Decoder, DeleteBefore, DeleteRecords, ErrorReply, Flow, FoundOffset,
    HelloReply, Limits, ListOffsets, ListTopics, OffsetAt, ProducerIdentity, Request, RequestFrame,
    Response, Subscribe, SubscribeFrom, Subscribed, TIMESTAMP_NONE, TopicPage,
};

use super::connection::{Connection, Ended, State};
use super::topics::{described, wanted};
use crate::session::{Before, From, Offset, Refusal, Start};

/// Topics in one answer, at most.
const PAGE_TOPICS_MAX: u32 = 1000;

/// Bytes of a frame around the batches of a delivery, and more.
const DELIVER_HEAD_BYTES_MAX: u64 = 64;

impl Connection {
    /// Answers the Hello, which the decoder has seen to be the first frame.
    pub(super) fn greet<F>(
        &self,
        frame: RequestFrame,
        decoder: &mut Decoder<F>,
    ) -> Result<(), Ended> {
        let RequestFrame { correlation, request } = frame;
        let Request::Hello(hello) = request else {
            let why = "the first frame is a Hello: send it before anything else";
            return Err(Ended::Told(correlation, ErrorReply::new(Code::HelloRequired, why)));
        };
        let version = hello.agree().map_err(|error| Ended::Told(correlation, error))?;
        decoder.hello_done(FRAME_BYTES_MAX);
        let mut state = self.state.lock();
        let frame_bytes_max = u64::from(hello.frame_bytes_max).min(FRAME_BYTES_MAX as u64);
        state.client_name = hello.client_name;
        state.subscriptions.takes(frame_bytes_max - DELIVER_HEAD_BYTES_MAX);
        let facts = self.session.broker();
        let reply = HelloReply {
            version,
            features: 0,
            limits: Limits {
                frame_bytes_max: number(FRAME_BYTES_MAX),
                batch_bytes_max: number(BATCH_BYTES_MAX),
                subscriptions_max: number(self.limits.subscriptions_max),
                in_flight_max: number(self.limits.in_flight_max),
            },
            server_name: "weir".to_owned(),
            server_version: facts.version.to_owned(),
            cluster: facts.cluster,
            node: facts.node,
            producer_credit_bytes: self.limits.producer_credit_bytes,
        };
        state.outbox.push(correlation, &Response::Hello(reply));
        drop(state);
        self.bell.notify_one();
        Ok(())
    }

    /// Sets a subscription's credit.
    pub(super) fn flow(&self, flow: Flow) {
        let mut state = self.state.lock();
        let state = &mut *state;
        if !state.works.flow(&flow, &mut state.outbox) {
            state.subscriptions.flow(&flow, &mut state.outbox);
        }
        self.bell.notify_one();
    }

    /// Answers any other request.
    pub(super) async fn answer_request(&self, correlation: u32, request: Request) {
        let joins = match &request {
            Request::JoinGroup(join) => Some(join.membership),
            _ => None,
        };
        let answer = self.ask(request).await;
        let joined = joins.filter(|_| answer.is_ok());
        self.answer_with(correlation, answer);
        joined.into_iter().for_each(|number| self.tell_membership(number));
    }

    async fn ask(&self, request: Request) -> Result<Response, Refusal> {
        let session = &self.session;
        Ok(match request {
            Request::Hello(_) => {
                return Err(Refusal::new(Code::MalformedFrame, "a Hello comes once, at first"));
            }
            Request::Ping => Response::Pong,
            Request::CreateTopic(CreateTopic { name, partitions, settings }) => {
                let created = session.create_topic(name, Some(partitions), wanted(&settings)?);
                Response::Topic(described(created.await?))
            }
            Request::AlterTopic(AlterTopic { name, partitions, settings }) => {
                let altered = session.alter_topic(name, partitions, wanted(&settings)?);
                Response::Topic(described(altered.await?))
            }
            Request::DescribeTopic { name } => {
                Response::Topic(described(session.describe_topic(&name)?))
            }
            Request::ListTopics(list) => Response::Topics(self.page(&list)),
            Request::DeleteTopic { name } => {
                session.delete_topic(name).await?;
                Response::Deleted
            }
            Request::InitProducer => {
                let producer = session.init_producer(None).await?;
                let (producer_id, producer_epoch) = (producer.id, producer.epoch);
                Response::Producer(ProducerIdentity { producer_id, producer_epoch })
            }
            Request::ListOffsets(list) => Response::Offset(self.offset(&list).await?),
            Request::Subscribe(subscribe) => {
                Response::Subscribed(self.subscribe(&subscribe).await?)
            }
            Request::Unsubscribe { subscription } => {
                let mut state = self.state.lock();
                if !(state.subscriptions.remove(subscription) || state.works.remove(subscription)) {
                    let why = format!("there is no subscription {subscription}: it ended before");
                    return Err(Refusal::new(Code::UnknownSubscription, why));
                }
                Response::Unsubscribed
            }
            Request::DeleteRecords(DeleteRecords { topic, partition, before }) => {
                let before = match before {
                    DeleteBefore::Offset(offset) => Before::Offset(Offset::new(offset)),
                    DeleteBefore::Tail => Before::Tail,
                };
                let start = session.delete_records(topic, partition, before).await?;
                Response::RecordsDeleted { start: start.get() }
            }
            request => return self.ask_of_group(request).await,
        })
    }

    async fn ask_of_group(&self, request: Request) -> Result<Response, Refusal> {
        Ok(match request {
            Request::JoinGroup(join) => Response::JoinedGroup(self.join_group(join).await?),
            Request::GroupHeartbeat { membership } => {
                Response::GroupHeartbeat { epoch: self.group_heartbeat(membership).await? }
            }
            Request::ReleasePartitions(release) => {
                self.release(release).await?;
                Response::Released
            }
            Request::LeaveGroup { membership } => {
                self.leave_group(membership).await?;
                Response::Left
            }
            Request::CommitOffsets(commit) => {
                Response::Committed(self.commit_offsets(commit).await?)
            }
            Request::FetchOffsets(fetch) => Response::Offsets(self.fetch_offsets(fetch).await?),
            Request::ListGroups(list) => Response::Groups(self.list_groups(list).await?),
            Request::DescribeGroup { group } => Response::Group(self.describe_group(&group).await?),
            Request::DeleteGroup { group } => {
                self.session.delete_group(&group).await?;
                Response::GroupDeleted
            }
            request => return self.ask_of_queue(request).await,
        })
    }

    fn page(&self, list: &ListTopics) -> TopicPage {
        let limit = list.limit.clamp(1, PAGE_TOPICS_MAX);
        // One more than asked for tells whether there are more.
        let topics = self.session.list_topics(list.after.as_ref(), limit as usize + 1);
        TopicPage::gather(topics.into_iter().map(described), limit, FRAME_BYTES_MAX)
    }

    async fn offset(&self, list: &ListOffsets) -> Result<FoundOffset, Refusal> {
        let from = match list.at {
            OffsetAt::Earliest => From::Earliest,
            OffsetAt::Latest => From::Latest,
            OffsetAt::Time(ms) => From::Time(ms),
        };
        let (offset, timestamp) = self.session.offset(list.topic, list.partition, from).await?;
        let timestamp = timestamp.unwrap_or(TIMESTAMP_NONE);
        Ok(FoundOffset { offset: offset.get(), timestamp })
    }

    async fn subscribe(&self, subscribe: &Subscribe) -> Result<Subscribed, Refusal> {
        let Subscribe { subscription: number, topic, partition, from, credit } = *subscribe;
        let token = self.token_for(number)?;
        let from = match from {
            SubscribeFrom::Earliest => From::Earliest,
            SubscribeFrom::Latest => From::Latest,
            SubscribeFrom::Offset(offset) => From::Offset(Offset::new(offset)),
            SubscribeFrom::Time(ms) => From::Time(ms),
        };
        let start = Start { partition, from, token };
        let subscription = self.session.subscribe(topic, start).await?;
        let subscribed = Subscribed {
            start: subscription.start().get(),
            tail: subscription.tail().get(),
            from: subscription.offset().get(),
        };
        // Requests are taken one behind the other: nobody took the number meanwhile.
        self.state.lock().subscriptions.insert(number, subscription, credit);
        Ok(subscribed)
    }

    /// The token of a new subscription, if there may be one of this number.
    fn token_for(&self, number: u32) -> Result<u64, Refusal> {
        let state = self.state.lock();
        self.check_number(&state, number)?;
        Ok(state.subscriptions.next_token(number))
    }

    /// Whether there may be another subscription or worker of this number.
    pub(super) fn check_number(&self, state: &State, number: u32) -> Result<(), Refusal> {
        if state.subscriptions.contains(number) || state.works.contains(number) {
            let why = format!("subscription {number} is in use: choose another number");
            return Err(Refusal::new(Code::SubscriptionInUse, why));
        }
        let max = self.limits.subscriptions_max;
        if max <= state.subscriptions.len() + state.works.len() {
            let why = format!("the connection has {max} subscriptions: end one, or open another");
            return Err(Refusal::new(Code::TooManySubscriptions, why));
        }
        Ok(())
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).expect("limits fit 32 bits")
}
