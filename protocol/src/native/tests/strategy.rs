//! Any message there is.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::batch::TimestampType;
use crate::code::Code;
use crate::id::{QueueId, TopicId};
use crate::limits::FRAME_BYTES_MAX_LEAST;
use crate::name::{QueueName, TopicName};
use crate::native::*;

pub(super) fn request_frame() -> impl Strategy<Value = RequestFrame> {
    (request(), 1..=u32::MAX).prop_map(|(request, correlation)| RequestFrame {
        correlation: if request.is_answered() { correlation } else { 0 },
        request,
    })
}

pub(super) fn response_frame() -> impl Strategy<Value = ResponseFrame> {
    let any_correlation = (error(), any::<u32>()).prop_map(|(error, correlation)| ResponseFrame {
        correlation,
        response: Response::Error(error),
    });
    let answers = (answer(), 1..=u32::MAX)
        .prop_map(|(response, correlation)| ResponseFrame { correlation, response });
    let events = event().prop_map(|response| ResponseFrame { correlation: 0, response });
    prop_oneof![any_correlation, answers, events]
}

pub(super) fn request() -> impl Strategy<Value = Request> {
    prop_oneof![
        group_request(),
        queue_request(),
        hello().prop_map(Request::Hello),
        Just(Request::Ping),
        (name(), any::<u32>(), settings()).prop_map(|(name, partitions, settings)| {
            Request::CreateTopic(CreateTopic { name, partitions, settings })
        }),
        (proptest::option::of(name()), any::<u32>())
            .prop_map(|(after, limit)| Request::ListTopics(ListTopics { after, limit })),
        name().prop_map(|name| Request::DescribeTopic { name }),
        (name(), proptest::option::of(1..=u32::MAX), settings()).prop_map(
            |(name, partitions, settings)| {
                Request::AlterTopic(AlterTopic { name, partitions, settings })
            }
        ),
        name().prop_map(|name| Request::DeleteTopic { name }),
        Just(Request::InitProducer),
        (id(), any::<u32>(), proptest::sample::select(&Ack::ALL[..]), payload()).prop_map(
            |(topic, partition, ack, batch)| {
                Request::Produce(Produce { topic, partition, ack, batch })
            }
        ),
        (id(), any::<u32>(), offset_at()).prop_map(|(topic, partition, at)| {
            Request::ListOffsets(ListOffsets { topic, partition, at })
        }),
        (any::<u32>(), id(), any::<u32>(), subscribe_from(), amount()).prop_map(
            |(subscription, topic, partition, from, credit)| {
                Request::Subscribe(Subscribe { subscription, topic, partition, from, credit })
            }
        ),
        any::<u32>().prop_map(|subscription| Request::Unsubscribe { subscription }),
        (id(), any::<u32>(), delete_before()).prop_map(|(topic, partition, before)| {
            Request::DeleteRecords(DeleteRecords { topic, partition, before })
        }),
        (any::<u32>(), amount(), amount(), any::<bool>(), any::<bool>()).prop_map(
            |(subscription, seen, credit, drain, echo)| {
                Request::Flow(Flow { subscription, grant: Grant { seen, credit }, drain, echo })
            }
        ),
    ]
}

fn group_request() -> impl Strategy<Value = Request> {
    let join = ((1..=u32::MAX, words(), words(), words()), any::<[u32; 2]>(), vec(name(), 0..4));
    let join = join.prop_map(|((membership, group, member, instance), times, topics)| {
        let assignment = if times[0] % 2 == 0 { Assignment::Range } else { Assignment::Sticky };
        let [session_timeout_ms, rebalance_timeout_ms] = times;
        Request::JoinGroup(JoinGroup {
            membership,
            group,
            member,
            instance,
            assignment,
            session_timeout_ms,
            rebalance_timeout_ms,
            topics,
        })
    });
    let offset = (id(), any::<u32>(), any::<u64>(), any::<i32>(), words()).prop_map(
        |(topic, partition, offset, leader_epoch, metadata)| NewOffset {
            topic,
            partition,
            offset,
            leader_epoch,
            metadata,
        },
    );
    let by = prop_oneof![
        (1..=u32::MAX, any::<u32>())
            .prop_map(|(membership, epoch)| CommitBy::Membership { membership, epoch }),
        words().prop_map(CommitBy::Group),
    ];
    let commit = (by, vec(offset, 0..4))
        .prop_map(|(by, offsets)| Request::CommitOffsets(CommitOffsets { by, offsets }));
    prop_oneof![
        join,
        commit,
        (1..=u32::MAX).prop_map(|membership| Request::GroupHeartbeat { membership }),
        (1..=u32::MAX, any::<u32>()).prop_map(|(membership, epoch)| {
            Request::ReleasePartitions(ReleasePartitions { membership, epoch })
        }),
        (1..=u32::MAX).prop_map(|membership| Request::LeaveGroup { membership }),
        (words(), id())
            .prop_map(|(group, topic)| Request::FetchOffsets(FetchOffsets { group, topic })),
        (words(), any::<u32>())
            .prop_map(|(after, limit)| Request::ListGroups(ListGroups { after, limit })),
        words().prop_map(|group| Request::DescribeGroup { group }),
        words().prop_map(|group| Request::DeleteGroup { group }),
    ]
}

fn queue_request() -> impl Strategy<Value = Request> {
    use proptest::option::of;
    prop_oneof![
        (queue_name(), of(name()), of(1..=u32::MAX), queue_settings()).prop_map(
            |(name, topic, partitions, settings)| {
                Request::CreateQueue(CreateQueue { name, topic, partitions, settings })
            }
        ),
        (of(queue_name()), any::<u32>())
            .prop_map(|(after, limit)| Request::ListQueues(ListQueues { after, limit })),
        queue_name().prop_map(|name| Request::DescribeQueue { name }),
        (queue_name(), queue_settings())
            .prop_map(|(name, settings)| Request::AlterQueue(AlterQueue { name, settings })),
        queue_name().prop_map(|name| Request::DeleteQueue { name }),
        queue_name().prop_map(|name| Request::WhyQueue { name }),
        queue_name().prop_map(|name| Request::PurgeQueue { name }),
        redrive(),
        (any::<u32>(), queue_name(), any::<u64>(), amount()).prop_map(
            |(subscription, queue, lease_ms, credit)| {
                Request::Work(Work { subscription, queue, lease_ms, credit })
            }
        ),
        (queue_id(), settle_verb(), vec(receipt(), 0..4)).prop_map(|(queue, verb, receipts)| {
            Request::Settle(Settle { queue, verb, receipts })
        }),
        (queue_name(), of(0..EVERY_PARTITION), seek_to()).prop_map(|(queue, partition, to)| {
            Request::SeekQueue(SeekQueue { queue, partition, to })
        }),
    ]
}

fn redrive() -> impl Strategy<Value = Request> {
    use proptest::option::of;
    let key = of(vec(any::<u8>(), 0..9).prop_map(Bytes::from));
    (queue_name(), of(1..=u32::MAX), key, words(), of(0..=i64::MAX)).prop_map(
        |(queue, max, key, reason, since_ms)| {
            Request::Redrive(Redrive { queue, max, key, reason, since_ms })
        },
    )
}

fn settle_verb() -> impl Strategy<Value = SettleVerb> {
    let at = prop_oneof![
        Just(RetryAt::Backoff),
        any::<u64>().prop_map(RetryAt::After),
        any::<i64>().prop_map(RetryAt::Time),
    ];
    prop_oneof![
        Just(SettleVerb::Ack),
        any::<u64>().prop_map(|delay_ms| SettleVerb::Release { delay_ms }),
        (at, text()).prop_map(|(at, reason)| SettleVerb::Retry { at, reason }),
        text().prop_map(|reason| SettleVerb::Reject { reason }),
        any::<u64>().prop_map(|lease_ms| SettleVerb::Extend { lease_ms }),
    ]
}

fn receipt() -> impl Strategy<Value = LeaseReceipt> {
    (any::<[u32; 3]>(), any::<u64>()).prop_map(|([partition, epoch, delivery], offset)| {
        LeaseReceipt { partition, epoch, offset, delivery }
    })
}

fn seek_to() -> impl Strategy<Value = SeekTo> {
    prop_oneof![
        Just(SeekTo::Earliest),
        Just(SeekTo::Latest),
        any::<u64>().prop_map(SeekTo::Offset),
        any::<i64>().prop_map(SeekTo::Time),
    ]
}

fn queue_state() -> impl Strategy<Value = QueueState> {
    let partition =
        (any::<[u64; 15]>(), any::<[u64; 2]>(), text()).prop_map(|(numbers, aside, why)| {
            let [parked, damaged] = aside;
            let [floor, hwm, tail, ready, delayed, leased, pending, dying, ..] = numbers;
            let [.., blocked_keys, state_bytes, deliveries, acks, failures, expired, dead] =
                numbers;
            QueuePartition {
                floor,
                hwm,
                tail,
                ready,
                delayed,
                leased,
                pending,
                dying,
                blocked_keys,
                state_bytes,
                deliveries,
                acks,
                failures,
                expired,
                dead,
                parked,
                damaged,
                why,
            }
        });
    (text(), vec(partition, 0..4)).prop_map(|(why, partitions)| QueueState { why, partitions })
}

fn leases() -> impl Strategy<Value = Response> {
    let run =
        (any::<u64>(), any::<[u32; 3]>()).prop_map(|(offset, [count, deliveries, failures])| {
            LeaseRun { offset, count, deliveries, failures }
        });
    (any::<[u32; 3]>(), any::<u64>(), vec(run, 0..4), payload()).prop_map(
        |([subscription, partition, epoch], lease_ms, leases, batches)| {
            Response::DeliverLeases(DeliverLeases {
                subscription,
                partition,
                epoch,
                lease_ms,
                leases,
                batches,
            })
        },
    )
}

fn queue_answer() -> impl Strategy<Value = Response> {
    let queue = || {
        let place = (name(), any::<u32>(), any::<i64>());
        (queue_name(), queue_id(), place, queue_settings()).prop_map(
            |(name, id, (topic, partitions, created_ms), settings)| QueueDescription {
                name,
                id,
                topic,
                partitions,
                created_ms,
                settings,
            },
        )
    };
    prop_oneof![
        queue().prop_map(Response::Queue),
        (vec(queue(), 0..4), any::<bool>())
            .prop_map(|(queues, more)| Response::Queues(QueuePage { queues, more })),
        Just(Response::QueueDeleted),
        Just(Response::QueueSought),
        Just(Response::QueuePurged),
        any::<[u64; 2]>().prop_map(|[moved, passed_over]| {
            Response::Redriven(Redriven { moved, passed_over })
        }),
        (queue_id(), any::<u64>())
            .prop_map(|(queue, lease_ms)| Response::Working(Working { queue, lease_ms })),
        vec(proptest::sample::select(&SettleOutcome::ALL[..]), 0..4).prop_map(Response::Settled),
        queue_state().prop_map(Response::QueueState),
    ]
}

fn queue_settings() -> impl Strategy<Value = QueueSettings> {
    use proptest::option::of;
    use proptest::sample::select;
    let number = || of(any::<u64>());
    let waits = (of(vec(any::<u64>(), 0..32)), number(), number(), number());
    let choices = (of(select(QueueOrder::ALL)), of(select(LateAcks::ALL)));
    let more = (of(select(LeaseExpiry::ALL)), of(name()), of(any::<bool>()));
    let limits = (number(), number(), number());
    (number(), number(), number(), waits, choices, more, limits).prop_map(
        |(lease_ms, max_failures, ttl_ms, waits, choices, more, limits)| QueueSettings {
            lease_ms,
            max_failures,
            backoff_ms: waits.0,
            backoff_min_ms: waits.1,
            backoff_max_ms: waits.2,
            backoff_jitter_percent: waits.3,
            ttl_ms,
            order: choices.0,
            late_acks: choices.1,
            lease_expiry: more.0,
            leases_max: limits.0,
            worker_leases_max: limits.0,
            state_bytes_max: limits.1,
            lookahead_records: limits.2,
            dead_letter: more.1,
            paused: more.2,
        },
    )
}

fn queue_name() -> impl Strategy<Value = QueueName> {
    "[a-zA-Z0-9_-][a-zA-Z0-9._-]{0,40}".prop_map(|name| QueueName::parse(&name).unwrap())
}

fn queue_id() -> impl Strategy<Value = QueueId> {
    any::<[u8; 16]>().prop_map(QueueId::from_bytes)
}

/// What groups and members may be called.
fn words() -> impl Strategy<Value = String> {
    "[a-zü /-]{0,20}"
}

fn group_answer() -> impl Strategy<Value = Response> {
    let offset = (any::<u32>(), any::<u64>(), any::<i32>(), words(), any::<i64>()).prop_map(
        |(partition, offset, leader_epoch, metadata, committed_ms)| GroupOffset {
            partition,
            offset,
            leader_epoch,
            metadata,
            committed_ms,
        },
    );
    let listing = || {
        (words(), any::<u32>()).prop_map(|(name, members)| GroupListing {
            name,
            face: GroupFace::Members,
            state: GroupState::Completing,
            members,
        })
    };
    let member = (words(), words(), words(), words()).prop_map(
        |(member, instance, client_id, client_host)| MemberDescription {
            member,
            instance,
            client_id,
            client_host,
        },
    );
    let partition = (name(), any::<u32>(), any::<[u64; 3]>(), words(), any::<i64>()).prop_map(
        |(topic, partition, [offset, start, tail], member, committed_ms)| GroupPartition {
            topic,
            partition,
            offset,
            start,
            tail,
            metadata: member.clone(),
            member,
            committed_ms,
        },
    );
    let group = (listing(), any::<u32>(), words(), vec(member, 0..3), vec(partition, 0..3));
    prop_oneof![
        (words(), any::<u32>())
            .prop_map(|(member, epoch)| Response::JoinedGroup(JoinedGroup { member, epoch })),
        any::<u32>().prop_map(|epoch| Response::GroupHeartbeat { epoch }),
        Just(Response::Released),
        Just(Response::Left),
        Just(Response::GroupDeleted),
        vec(any::<u16>(), 0..4).prop_map(Response::Committed),
        vec(offset, 0..4).prop_map(Response::Offsets),
        (vec(listing(), 0..4), any::<bool>())
            .prop_map(|(groups, more)| Response::Groups(GroupPage { groups, more })),
        group.prop_map(|(listing, generation, protocol, members, partitions)| {
            Response::Group(GroupDescription { listing, generation, protocol, members, partitions })
        }),
    ]
}

fn group_event() -> impl Strategy<Value = Response> {
    let place = (id(), any::<u32>(), any::<u64>())
        .prop_map(|(topic, partition, offset)| AssignedPartition { topic, partition, offset });
    prop_oneof![
        (1..=u32::MAX, any::<u32>(), vec(place, 0..4)).prop_map(
            |(membership, epoch, partitions)| {
                Response::Assigned(Assigned { membership, epoch, partitions })
            }
        ),
        (1..=u32::MAX, any::<u32>(), vec((id(), any::<u32>()), 0..4)).prop_map(
            |(membership, epoch, partitions)| {
                Response::Revoked(Revoked { membership, epoch, partitions })
            }
        ),
        (1..=u32::MAX, error()).prop_map(|(membership, error)| {
            Response::MembershipEnded(MembershipEnded { membership, error })
        }),
    ]
}

fn answer() -> impl Strategy<Value = Response> {
    prop_oneof![
        group_answer(),
        queue_answer(),
        hello_reply().prop_map(Response::Hello),
        Just(Response::Pong),
        topic().prop_map(Response::Topic),
        (vec(topic(), 0..4), any::<bool>())
            .prop_map(|(topics, more)| Response::Topics(TopicPage { topics, more })),
        Just(Response::Deleted),
        (any::<i64>(), any::<i16>()).prop_map(|(producer_id, producer_epoch)| {
            Response::Producer(ProducerIdentity { producer_id, producer_epoch })
        }),
        any::<u64>().prop_map(|base_offset| Response::Produced { base_offset }),
        (any::<u64>(), any::<i64>())
            .prop_map(|(offset, timestamp)| Response::Offset(FoundOffset { offset, timestamp })),
        (any::<u64>(), any::<u64>(), any::<u64>())
            .prop_map(|(start, tail, from)| Response::Subscribed(Subscribed { start, tail, from })),
        Just(Response::Unsubscribed),
        any::<u64>().prop_map(|start| Response::RecordsDeleted { start }),
    ]
}

fn event() -> impl Strategy<Value = Response> {
    prop_oneof![
        group_event(),
        leases(),
        (any::<u32>(), any::<u64>(), payload()).prop_map(|(subscription, tail, batches)| {
            Response::Deliver(Deliver { subscription, tail, batches })
        }),
        (any::<u32>(), 0..u64::MAX, 1..=u64::MAX).prop_map(|(subscription, start, records)| {
            let span = start..start.saturating_add(records);
            Response::Gap(Gap { subscription, span })
        }),
        (any::<u32>(), error())
            .prop_map(|(subscription, error)| Response::Ended(Ended { subscription, error })),
        (any::<u32>(), amount(), amount(), any::<bool>()).prop_map(
            |(subscription, sent, left, drained)| {
                Response::Flow(FlowEcho { subscription, sent, left, drained })
            }
        ),
        (any::<u64>(), any::<u64>()).prop_map(|(seen_bytes, credit_bytes)| {
            Response::Credit(ProducerCredit { seen_bytes, credit_bytes })
        }),
    ]
}

fn hello() -> impl Strategy<Value = Hello> {
    (any::<u16>(), any::<u16>(), any::<u64>(), frame_bytes_max(), text()).prop_map(
        |(one, other, features, frame_bytes_max, client_name)| Hello {
            version_min: one.min(other),
            version_max: one.max(other),
            features,
            frame_bytes_max,
            client_name,
        },
    )
}

fn hello_reply() -> impl Strategy<Value = HelloReply> {
    let limits = (frame_bytes_max(), any::<u32>(), any::<u32>(), any::<u32>()).prop_map(
        |(frame_bytes_max, batch_bytes_max, subscriptions_max, in_flight_max)| Limits {
            frame_bytes_max,
            batch_bytes_max,
            subscriptions_max,
            in_flight_max,
        },
    );
    let names = (text(), text());
    let nodes = (any::<[u8; 16]>(), any::<[u8; 16]>());
    (any::<u16>(), any::<u64>(), limits, names, nodes, any::<u64>()).prop_map(
        |(version, features, limits, names, nodes, producer_credit_bytes)| HelloReply {
            version,
            features,
            limits,
            server_name: names.0,
            server_version: names.1,
            cluster: nodes.0,
            node: nodes.1,
            producer_credit_bytes,
        },
    )
}

fn frame_bytes_max() -> impl Strategy<Value = u32> {
    FRAME_BYTES_MAX_LEAST as u32..=u32::MAX
}

fn topic() -> impl Strategy<Value = TopicDescription> {
    let partition = (any::<u64>(), any::<u64>(), any::<u32>())
        .prop_map(|(start, tail, epoch)| PartitionDescription { start, tail, epoch });
    let quarantined = (any::<u32>(), any::<(u64, u64)>(), "[a-z/ö]{0,100}", "[a-z ]{0,100}")
        .prop_map(|(partition, (start, end), file, flaw)| QuarantinedSpan {
            partition,
            start,
            end,
            file,
            flaw,
        });
    (name(), id(), resolved_settings(), vec(partition, 0..5), vec(quarantined, 0..5)).prop_map(
        |(name, id, settings, partitions, quarantined)| TopicDescription {
            name,
            id,
            settings,
            partitions,
            quarantined,
        },
    )
}

fn settings() -> impl Strategy<Value = Settings> {
    let values = proptest::array::uniform6(proptest::option::of(any::<u64>()));
    let timestamp_types = proptest::option::of(timestamp_type());
    let goes = proptest::option::of(any::<bool>());
    (proptest::option::of(durability()), timestamp_types, goes, values).prop_map(
        |(
            durability,
            timestamp_type,
            retention_work,
            [age, size, segment, batch, window_ms, window_records],
        )| {
            Settings {
                durability,
                retention_ms: age,
                retention_bytes: size,
                segment_bytes: segment,
                batch_bytes_max: batch,
                timestamp_type,
                message_id_window_ms: window_ms,
                message_id_window_records: window_records,
                retention_work,
            }
        },
    )
}

fn timestamp_type() -> impl Strategy<Value = TimestampType> {
    prop_oneof![Just(TimestampType::CreateTime), Just(TimestampType::LogAppendTime)]
}

fn resolved_settings() -> impl Strategy<Value = ResolvedSettings> {
    let values = proptest::array::uniform6(prop_oneof![4 => any::<u64>(), 1 => Just(0)]);
    (durability(), timestamp_type(), any::<bool>(), values).prop_map(
        |(
            durability,
            timestamp_type,
            retention_work,
            [age, size, segment, batch, window_ms, window_records],
        )| {
            ResolvedSettings {
                durability,
                retention_ms: age,
                retention_bytes: size,
                segment_bytes: segment,
                batch_bytes_max: batch,
                timestamp_type,
                message_id_window_ms: window_ms,
                message_id_window_records: window_records,
                retention_work,
            }
        },
    )
}

fn durability() -> impl Strategy<Value = Durability> {
    proptest::sample::select(&Durability::ALL[..])
}

fn offset_at() -> impl Strategy<Value = OffsetAt> {
    prop_oneof![
        Just(OffsetAt::Earliest),
        Just(OffsetAt::Latest),
        any::<i64>().prop_map(OffsetAt::Time),
    ]
}

fn delete_before() -> impl Strategy<Value = DeleteBefore> {
    prop_oneof![Just(DeleteBefore::Tail), any::<u64>().prop_map(DeleteBefore::Offset)]
}

fn subscribe_from() -> impl Strategy<Value = SubscribeFrom> {
    prop_oneof![
        Just(SubscribeFrom::Earliest),
        Just(SubscribeFrom::Latest),
        any::<u64>().prop_map(SubscribeFrom::Offset),
        any::<i64>().prop_map(SubscribeFrom::Time),
    ]
}

fn error() -> impl Strategy<Value = ErrorReply> {
    (proptest::sample::select(Code::ALL), text())
        .prop_map(|(code, message)| ErrorReply::new(code, message))
}

fn amount() -> impl Strategy<Value = Amount> {
    (any::<u64>(), any::<u64>()).prop_map(|(messages, bytes)| Amount { messages, bytes })
}

fn name() -> impl Strategy<Value = TopicName> {
    "[a-zA-Z0-9_-][a-zA-Z0-9._-]{0,40}".prop_map(|name| TopicName::parse(&name).unwrap())
}

fn id() -> impl Strategy<Value = TopicId> {
    any::<[u8; 16]>().prop_map(TopicId::from_bytes)
}

fn text() -> impl Strategy<Value = String> {
    "\\PC{0,40}"
}

fn payload() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..200).prop_map(Bytes::from)
}
