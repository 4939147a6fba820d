//! Stand-ins for the services that alerts go to, on loopback.
//!
//! Invariant: each keeps the documented contract strictly, signatures, times, schemas, lengths and rates included, and
//! refuses with the documented code what the real one would refuse. It records what it accepted, in order. Start at the
//! stand-in of a service; how it misbehaves is its [`EastMode`].

mod dingtalk;
mod feishu;
mod frame_east;
mod wecom;

pub use dingtalk::DingtalkStandIn;
pub use feishu::FeishuStandIn;
pub use frame_east::Mode as EastMode;
pub use wecom::WecomStandIn;
