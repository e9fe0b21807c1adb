//! Who leads a partition now, for clients that asked a broker which does not: in Produce and Fetch.

use super::super::Text;

message! {
    /// The leader of a partition and its epoch; −1 where that is not known.
    pub struct CurrentLeader {
        leader_id: i32 = 0.., default -1;
        leader_epoch: i32 = 0.., default -1;
    }

    /// Where a broker that is some partition's leader is reached.
    pub struct NodeEndpoint {
        node_id: i32 = 0..;
        host: Text = 0..;
        port: i32 = 0..;
        rack: Option<Text> = 0..;
    }
}
