//! A record on its way in: borrowed, because it is copied into its batch at once.

use weir_protocol::batch::{RecordHeader, message_id};

/// A record to send. Whatever is bytes makes one with that value; a pair makes one with a key.
///
/// ```
/// use weir_client::NewRecord;
///
/// let plain = NewRecord::from("landed");
/// let keyed = NewRecord::from(("JFK", "landed"));
/// let full = NewRecord::new("landed")
///     .key("JFK")
///     .headers(&[(b"trace", Some(b"7f")), (b"flag", None)])
///     .timestamp_ms(1_700_000_000_000);
/// # assert_ne!(plain, keyed);
/// # assert_ne!(keyed, full);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NewRecord<'a> {
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
    pub(super) headers: &'a [RecordHeader<'a>],
    pub(super) timestamp_ms: Option<i64>,
    pub(super) partition: Option<u32>,
}

impl<'a> NewRecord<'a> {
    /// A record of this value, without a key.
    pub fn new(value: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        Self { value: Some(value.as_ref()), ..Self::default() }
    }

    /// A record of this key whose value is null, which says that the key is gone.
    pub fn tombstone(key: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        Self { key: Some(key.as_ref()), ..Self::default() }
    }

    /// Records of one key go to one partition, in the order they are sent.
    #[must_use]
    pub fn key(mut self, key: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        self.key = Some(key.as_ref());
        self
    }

    /// Headers, in this order; keys may repeat and values may be null.
    #[must_use]
    pub fn headers(mut self, headers: &'a [RecordHeader<'a>]) -> Self {
        self.headers = headers;
        self
    }

    /// When it happened, in milliseconds since 1970. Default: when it is sent.
    #[must_use]
    pub fn timestamp_ms(mut self, timestamp_ms: i64) -> Self {
        self.timestamp_ms = Some(timestamp_ms);
        self
    }

    /// Where it goes, whatever its key says.
    #[must_use]
    pub fn partition(mut self, partition: u32) -> Self {
        self.partition = Some(partition);
        self
    }

    /// What says where it goes, where it names no partition itself: its key, or its message id.
    pub(super) fn routed_by(&self) -> Option<&'a [u8]> {
        let id = || message_id(self.headers.iter().copied()).ok().flatten();
        self.key.or_else(id)
    }

    /// About what it takes in a batch.
    pub(super) fn bytes(&self) -> usize {
        let length = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
        let headers = self.headers.iter().map(|(key, value)| key.len() + length(*value));
        length(self.key) + length(self.value) + headers.sum::<usize>()
    }
}

impl<'a, V: AsRef<[u8]> + ?Sized> From<&'a V> for NewRecord<'a> {
    fn from(value: &'a V) -> Self {
        Self::new(value)
    }
}

impl<'a, K: AsRef<[u8]> + ?Sized, V: AsRef<[u8]> + ?Sized> From<(&'a K, &'a V)> for NewRecord<'a> {
    fn from((key, value): (&'a K, &'a V)) -> Self {
        Self::new(value).key(key)
    }
}
