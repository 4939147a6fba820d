//! What an earlier guard left: letters that wait, and events that were not read.

use super::Outbox;
use crate::host::clock;
use crate::store::{Change, Fate, Filter};
use clawmend_core::alert::desk::Desk;
use clawmend_core::alert::lane::Waiting;
use clawmend_core::alert::notice::is_question;
use clawmend_core::directive::IncidentId;
use clawmend_core::gateway::GatewayId;

impl Outbox {
    /// Takes over, before the first event is read.
    pub(super) async fn recall(&mut self) {
        let now = clock::now();
        self.look(now).await;
        let left = self.parts.store.left_in_outbox().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "what an earlier guard left to be told cannot be read");
            crate::store::Left::default()
        });
        let desk = left.desk.as_deref().and_then(|desk| serde_json::from_str::<Desk>(desk).ok());
        let first = desk.is_none();
        self.desk = desk.unwrap_or_default();
        for (kept, ways) in left.letters {
            let Ok(letter) = serde_json::from_str(&kept.payload) else { continue };
            self.hold(letter);
            for way in ways {
                self.attempts.insert((kept.key.clone(), way.place.clone()), way.attempts);
                match way.fate {
                    Fate::Waiting | Fate::Sending => {
                        let left = Waiting {
                            key: kept.key.clone(),
                            level: kept.level,
                            since: now.mono,
                            maybe_sent: way.fate == Fate::Sending,
                            alone: is_question(&kept.key),
                        };
                        self.router.resume(now.mono, &left, &way.place);
                    }
                    Fate::Delivered => self.router.known(now.mono, &kept.key, kept.level, &way.place, true),
                    Fate::Unsure | Fate::Undeliverable => {
                        self.router.known(now.mono, &kept.key, kept.level, &way.place, false);
                    }
                }
            }
        }
        self.router.house(now.mono);
        if first {
            for gateway in self.gateways() {
                let over = self.over(&gateway).await;
                self.desk.begin(&gateway, over);
            }
            let desk = serde_json::to_string(&self.desk).unwrap_or_default();
            drop(self.parts.store.outbox(Change::Decided { desk, letters: Vec::new(), at: now.wall }));
        }
        self.read_again().await;
    }

    /// Reads the record of everything that is not over. What was read before changes nothing.
    pub(super) async fn read_again(&mut self) {
        for gateway in self.gateways() {
            let over = self.desk.over(&gateway).unwrap_or_default();
            match self.parts.store.incidents_after(&gateway, over).await {
                Ok(incidents) => {
                    for event in incidents.iter().flat_map(|(_, events)| events) {
                        self.observe(&gateway, event);
                    }
                }
                Err(error) => tracing::warn!(%error, gateway = gateway.0, "the record cannot be read for alerts"),
            }
        }
    }

    fn gateways(&self) -> Vec<GatewayId> {
        self.parts.premises.homes.iter().map(|home| home.id.clone()).collect()
    }

    /// The newest incident that is over: nothing is told of what was before alerts were.
    async fn over(&self, gateway: &GatewayId) -> IncidentId {
        let filter = Filter { gateway: Some(gateway.clone()), ..Filter::default() };
        let page = self.parts.store.incidents(filter, 1, None).await;
        page.ok().and_then(|page| page.incidents.into_iter().next()).map_or(IncidentId(0), |(record, _)| {
            let open = u64::from(record.closed_at.is_none());
            IncidentId(record.id.0.saturating_sub(open))
        })
    }
}
