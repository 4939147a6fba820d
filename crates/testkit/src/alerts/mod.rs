//! Stand-ins of the services that alerts go to, on loopback.
//!
//! Invariant: each keeps the documented contract of its service strictly, signatures, times, schemas, lengths and rates
//! included: what the service would refuse is refused, in the service's own words. They keep what they accepted, in order.
//! Start at the stand-in of a service; how it misbehaves is its [`EastMode`] or [`Mode`].

pub mod bot_api;
mod dingtalk;
pub mod dingtalk_stream;
pub mod discord;
mod feishu;
pub mod feishu_callbacks;
mod frame_east;
mod frame_west;
pub mod ntfy;
pub mod pagerduty;
pub mod slack;
pub mod smtp;
pub mod telegram;
pub mod webhook;
mod wecom;

pub use bot_api::BotApiStandIn;
pub use dingtalk::DingtalkStandIn;
pub use dingtalk_stream::DingtalkStream;
pub use feishu::FeishuStandIn;
pub use feishu_callbacks::FeishuCallbacks;
pub use frame_east::Mode as EastMode;
pub use frame_west::{Mode, Request, Says, StandIn, Verdict};
pub use wecom::WecomStandIn;
