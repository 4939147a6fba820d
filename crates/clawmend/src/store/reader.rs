//! The commands' view: read only, beside a guard that writes or without any.

use super::Introduction;
use super::open::{self, NAME};
use super::read::{self, Cursor, Filter, Page};
use super::record::IncidentRecord;
use super::schema::{self, Found, SCHEMA};
use super::wishes::{self, WaitingWish};
use clawmend_core::directive::IncidentId;
use clawmend_core::gateway::GatewayId;
use clawmend_core::incident::IncidentEvent;
use clawmend_core::wish::Standing;
use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};

/// Why the records cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// No guard has ever kept records there.
    #[error("there are no records in {} yet", state.display())]
    Nothing {
        /// The state folder.
        state: PathBuf,
    },
    /// The records have another schema than this program's.
    #[error("the records in {} have schema {found}, this program reads schema {SCHEMA}", path.display())]
    OtherSchema {
        /// The database.
        path: PathBuf,
        /// Its schema. Lower ones are brought up by the next guard that starts; for higher ones use the newer program.
        found: u32,
    },
    /// What is there is no database of ours, or it is damaged.
    #[error("the records in {} are damaged or not ours", path.display())]
    Damaged {
        /// The database.
        path: PathBuf,
    },
    /// It failed for another reason, and may work later.
    #[error("the records cannot be read: {0}")]
    Failed(#[from] rusqlite::Error),
}

/// An open view. Sees what was committed when each question is asked.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
}

impl Reader {
    /// Opens the records in a state folder. Changes nothing.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn open(state: &Path) -> Result<Self, ReadError> {
        match Self::open_file(state, &state.join(NAME)) {
            // A guard that met a newer schema keeps its own records beside it.
            Err(ReadError::OtherSchema { path, found }) if found > SCHEMA => {
                Self::open_file(state, &open::own_name(state)).map_err(|_| ReadError::OtherSchema { path, found })
            }
            other => other,
        }
    }

    fn open_file(state: &Path, path: &Path) -> Result<Self, ReadError> {
        if !path.exists() {
            return Err(ReadError::Nothing { state: state.to_owned() });
        }
        let damaged = || ReadError::Damaged { path: path.to_owned() };
        let told = |error: rusqlite::Error| if open::is_damage(&error) { damaged() } else { error.into() };
        let connection =
            Connection::open_with_flags(path, open::flags(OpenFlags::SQLITE_OPEN_READ_ONLY)).map_err(told)?;
        connection.busy_timeout(open::BUSY)?;
        match schema::found(&connection).map_err(told)? {
            Found::Schema(SCHEMA) => Ok(Self { connection }),
            Found::Schema(found) => Err(ReadError::OtherSchema { path: path.to_owned(), found }),
            Found::Empty => Err(ReadError::Nothing { state: state.to_owned() }),
            Found::Foreign => Err(damaged()),
        }
    }

    /// A page of incidents, newest first; `limit` is at most [`read::MAX_PAGE`].
    ///
    /// # Errors
    /// [`ReadError::Failed`].
    pub fn incidents(&self, filter: &Filter, limit: u32, after: Option<&Cursor>) -> Result<Page, ReadError> {
        Ok(read::incidents(&self.connection, filter, limit, after)?)
    }

    /// The incidents with this id, one per gateway that has it, with all their events.
    ///
    /// # Errors
    /// [`ReadError::Failed`].
    pub fn incident(
        &self,
        gateway: Option<&GatewayId>,
        id: IncidentId,
    ) -> Result<Vec<(IncidentRecord, Vec<IncidentEvent>)>, ReadError> {
        Ok(read::incident(&self.connection, gateway, id)?)
    }

    /// What was told lately, the newest first.
    ///
    /// # Errors
    /// [`ReadError::Failed`].
    pub fn deliveries(&self, limit: u32) -> Result<Vec<super::Logged>, ReadError> {
        Ok(super::outbox::log(&self.connection, limit)?)
    }

    /// Gateways that were guarded here, by name.
    ///
    /// # Errors
    /// [`ReadError::Failed`].
    pub fn gateways(&self) -> Result<Vec<Introduction>, ReadError> {
        Ok(read::gateways(&self.connection)?)
    }

    /// The last incident of a gateway that ended well.
    ///
    /// # Errors
    /// [`ReadError::Failed`].
    pub fn last_recovery(&self, gateway: &GatewayId) -> Result<Option<IncidentRecord>, ReadError> {
        Ok(read::last_recovery(&self.connection, gateway)?)
    }
}

/// What a person has said of a gateway, as far as files and records tell while no guard runs.
#[must_use]
pub fn standing(state: &Path, reader: Option<&Reader>, gateway: &GatewayId) -> (Standing, Vec<WaitingWish>) {
    let file = wishes::mirror(state, gateway).ok().flatten();
    let row = reader.and_then(|reader| read::standing(&reader.connection, gateway).ok().flatten());
    let best = [file, row].into_iter().flatten().max_by_key(|mirror| mirror.revision);
    let waiting = wishes::waiting(state, gateway).unwrap_or_default();
    (wishes::preview(best.map(|mirror| mirror.standing).unwrap_or_default(), &waiting), waiting)
}

/// Names of gateways of which the state folder knows anything.
#[must_use]
pub fn known_gateways(state: &Path, reader: Option<&Reader>) -> Vec<GatewayId> {
    let mut names = wishes::known(state);
    names.extend(reader.and_then(|r| r.gateways().ok()).unwrap_or_default().into_iter().map(|it| it.gateway));
    names.sort();
    names.dedup();
    names
}
