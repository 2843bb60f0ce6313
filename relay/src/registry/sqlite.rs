//! The registry in an embedded SQLite file, the default. All SQL is here.

use std::{borrow::Cow, os::unix::fs::MetadataExt, path::PathBuf, time::Duration};

use gantline_login::PublicKey;
use gantline_protocol::{Alias, MachineId, Timestamp, link::DenialReason};
use sqlx::{
    Row, SqlSafeStr, Sqlite, SqlitePool, Transaction,
    migrate::{Migration, MigrationType, Migrator},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow},
};
use tokio::task::spawn_blocking;

use super::{
    Answer, EnrolError, Enrolment, Machine, Registry, RegistryError, Sighting, TokenEntry,
    TokenHash, TokenId,
};
use crate::state::{StateDir, StateError};

/// Append only: a migration that was released never changes.
const MIGRATIONS: [(i64, &str, &str); 1] = [(
    1,
    "accounts, tokens, machines",
    include_str!("migrations/0001_accounts_tokens_machines.sql"),
)];
/// How long a statement waits for another process to finish writing.
const BUSY: Duration = Duration::from_secs(2);
/// How long a question waits for a connection.
const ACQUIRE: Duration = Duration::from_secs(3);
const CONNECTIONS: u32 = 4;

/// Why the database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Its file can't be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// SQLite can't use it.
    #[error(
        "the database {path} can't be opened: {why}. If it is damaged, restore it from a backup; \
         or move it away, and machines have to join anew"
    )]
    Database {
        /// Where it is.
        path: PathBuf,
        /// What SQLite said.
        why: String,
    },
}

/// A registry in one SQLite file in WAL mode, so that commands can use it beside a running relay.
#[derive(Debug)]
pub struct SqliteRegistry {
    pool: SqlitePool,
    path: PathBuf,
    /// Device and inode of the file that was opened.
    file: (u64, u64),
}

impl SqliteRegistry {
    /// Opens the database of `state`, makes it if it isn't there, and brings its tables up to
    /// date; two programs that do so at once wait for each other.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(state: &StateDir) -> Result<Self, OpenError> {
        let (_lock, path) = {
            let state = state.clone();
            // The lock may have to be waited for, and the wait blocks.
            spawn_blocking(move || Ok((state.setting_up()?, state.prepare_database()?)))
                .await
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
                .map_err(OpenError::State)?
        };
        let broken = |why: String| OpenError::Database { path: path.clone(), why };
        let file = identity(&path).await.map_err(|error| broken(error.to_string()))?;
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(false)
            .journal_mode(SqliteJournalMode::Wal)
            .busy_timeout(BUSY)
            .foreign_keys(true);
        let pool = SqlitePoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(ACQUIRE)
            .connect_with(options)
            .await
            .map_err(|error| broken(error.to_string()))?;
        let migrations = MIGRATIONS.map(|(version, name, sql)| {
            let name = Cow::Borrowed(name);
            Migration::new(version, name, MigrationType::Simple, sql.into_sql_str(), false)
        });
        Migrator::with_migrations(migrations.into())
            .run(&pool)
            .await
            .map_err(|error| broken(error.to_string()))?;
        Ok(Self { pool, path, file })
    }

    /// Begins to write. A database file that was removed or replaced under a running relay still
    /// takes writes, and loses them with the last connection; so those are refused.
    async fn write(&self) -> Result<Transaction<'_, Sqlite>, RegistryError> {
        match identity(&self.path).await {
            Ok(file) if file == self.file => {}
            Ok(_) => return Err(RegistryError("its file was replaced; restart the relay".into())),
            Err(error) => return Err(RegistryError(format!("its file is away: {error}"))),
        }
        Ok(self.pool.begin_with("BEGIN IMMEDIATE").await?)
    }

    async fn take_in(&self, enrolment: &Enrolment) -> Result<Machine, EnrolError> {
        let mut transaction = self.write().await.map_err(EnrolError::Unavailable)?;
        let known = sqlx::query(SELECT_MACHINE)
            .bind(enrolment.machine.as_bytes().as_slice())
            .fetch_optional(&mut *transaction)
            .await?;
        if let Some(row) = known {
            return Ok(machine(&row)?);
        }
        let at = millis(enrolment.at);
        let account: Option<String> = sqlx::query_scalar(
            "UPDATE tokens SET uses = uses + 1 \
             WHERE hash = $1 AND revoked_at IS NULL AND expires_at > $2 AND uses < max_uses \
             RETURNING account_id",
        )
        .bind(enrolment.token.0.as_slice())
        .bind(at)
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(account) = account else {
            return Err(refused_token(&mut transaction, enrolment).await?);
        };
        let (taken, limit): (i64, Option<i64>) = sqlx::query_as(
            "SELECT (SELECT count(*) FROM machines WHERE account_id = $1), max_machines \
             FROM accounts WHERE id = $1",
        )
        .bind(&account)
        .fetch_one(&mut *transaction)
        .await?;
        if limit.is_some_and(|limit| taken >= limit) {
            let message = "The account of this token has as many machines as it may.";
            return Err(EnrolError::Denied { reason: DenialReason::Quota, message });
        }
        sqlx::query(
            "INSERT INTO machines \
             (id, public_key, alias, account_id, version, enrolled_at, last_seen_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $6)",
        )
        .bind(enrolment.machine.as_bytes().as_slice())
        .bind(enrolment.key.as_bytes().as_slice())
        .bind(enrolment.alias.as_ref().map(Alias::as_str))
        .bind(&account)
        .bind(&enrolment.version)
        .bind(at)
        .execute(&mut *transaction)
        .await
        .map_err(taken_alias)?;
        transaction.commit().await?;
        Ok(Machine {
            id: enrolment.machine,
            key: enrolment.key,
            alias: enrolment.alias.clone(),
            account,
            version: enrolment.version.clone(),
            enrolled_at: enrolment.at,
            last_seen_at: enrolment.at,
        })
    }
}

const SELECT_MACHINE: &str = "SELECT id, public_key, alias, account_id, version, enrolled_at, \
                              last_seen_at FROM machines WHERE id = $1";

/// Why the token would not do.
async fn refused_token(
    transaction: &mut Transaction<'_, Sqlite>,
    enrolment: &Enrolment,
) -> Result<EnrolError, sqlx::Error> {
    let token: Option<(i64, Option<i64>)> =
        sqlx::query_as("SELECT expires_at, revoked_at FROM tokens WHERE hash = $1")
            .bind(enrolment.token.0.as_slice())
            .fetch_optional(&mut **transaction)
            .await?;
    let (reason, message) = match token {
        None => (DenialReason::TokenUnknown, "The relay doesn't know this token."),
        Some((_, Some(_))) => (DenialReason::TokenUnknown, "This token was revoked."),
        Some((expires_at, None)) if expires_at <= millis(enrolment.at) => {
            (DenialReason::TokenExpired, "This token has expired.")
        }
        Some((_, None)) => {
            (DenialReason::TokenUsed, "This token has admitted as many machines as it may.")
        }
    };
    Ok(EnrolError::Denied { reason, message })
}

impl Registry for SqliteRegistry {
    fn machines(&self) -> Answer<'_, Result<Vec<Machine>, RegistryError>> {
        Box::pin(async {
            let rows = sqlx::query(
                "SELECT id, public_key, alias, account_id, version, enrolled_at, last_seen_at \
                 FROM machines ORDER BY enrolled_at, id",
            )
            .fetch_all(&self.pool)
            .await?;
            rows.iter().map(machine).collect()
        })
    }

    fn enrol<'a>(&'a self, enrolment: &'a Enrolment) -> Answer<'a, Result<Machine, EnrolError>> {
        Box::pin(self.take_in(enrolment))
    }

    fn rename<'a>(
        &'a self,
        machine: MachineId,
        alias: &'a Alias,
    ) -> Answer<'a, Result<(), EnrolError>> {
        Box::pin(async move {
            let mut transaction = self.write().await.map_err(EnrolError::Unavailable)?;
            sqlx::query("UPDATE machines SET alias = $2 WHERE id = $1")
                .bind(machine.as_bytes().as_slice())
                .bind(alias.as_str())
                .execute(&mut *transaction)
                .await
                .map_err(taken_alias)?;
            Ok(transaction.commit().await?)
        })
    }

    fn note_seen<'a>(&'a self, seen: &'a [Sighting]) -> Answer<'a, Result<(), RegistryError>> {
        Box::pin(async move {
            let mut transaction = self.write().await?;
            for sighting in seen {
                sqlx::query("UPDATE machines SET last_seen_at = $2, version = $3 WHERE id = $1")
                    .bind(sighting.machine.as_bytes().as_slice())
                    .bind(millis(sighting.at))
                    .bind(&sighting.version)
                    .execute(&mut *transaction)
                    .await?;
            }
            Ok(transaction.commit().await?)
        })
    }

    fn add_token<'a>(&'a self, token: &'a TokenEntry) -> Answer<'a, Result<(), RegistryError>> {
        Box::pin(async move {
            let mut transaction = self.write().await?;
            sqlx::query(
                "INSERT INTO tokens (id, account_id, hash, label, uses, max_uses, created_at, \
                 expires_at, revoked_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            )
            .bind(token.id.as_str())
            .bind(&token.account)
            .bind(token.hash.0.as_slice())
            .bind(&token.label)
            .bind(i64::from(token.uses))
            .bind(i64::from(token.max_uses))
            .bind(millis(token.created_at))
            .bind(millis(token.expires_at))
            .bind(token.revoked_at.map(millis))
            .execute(&mut *transaction)
            .await?;
            Ok(transaction.commit().await?)
        })
    }

    fn tokens(&self) -> Answer<'_, Result<Vec<TokenEntry>, RegistryError>> {
        Box::pin(async {
            let rows = sqlx::query(
                "SELECT id, account_id, hash, label, uses, max_uses, created_at, expires_at, \
                 revoked_at FROM tokens ORDER BY created_at, id",
            )
            .fetch_all(&self.pool)
            .await?;
            rows.iter().map(token).collect()
        })
    }

    fn revoke_token<'a>(
        &'a self,
        id: &'a TokenId,
        now: Timestamp,
    ) -> Answer<'a, Result<bool, RegistryError>> {
        Box::pin(async move {
            let mut transaction = self.write().await?;
            let result = sqlx::query(
                "UPDATE tokens SET revoked_at = coalesce(revoked_at, $2) WHERE id = $1",
            )
            .bind(id.as_str())
            .bind(millis(now))
            .execute(&mut *transaction)
            .await?;
            transaction.commit().await?;
            Ok(result.rows_affected() > 0)
        })
    }

    fn close(&self) -> Answer<'_, ()> {
        Box::pin(self.pool.close())
    }
}

impl From<sqlx::Error> for RegistryError {
    fn from(error: sqlx::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<sqlx::Error> for EnrolError {
    fn from(error: sqlx::Error) -> Self {
        Self::Unavailable(error.into())
    }
}

/// The only value in a machine's row, besides its id, that no two may share.
fn taken_alias(error: sqlx::Error) -> EnrolError {
    match error.as_database_error().is_some_and(|error| error.is_unique_violation()) {
        true => EnrolError::Denied {
            reason: DenialReason::AliasTaken,
            message: "Another machine of this relay has that alias. Choose another.",
        },
        false => error.into(),
    }
}

fn machine(row: &SqliteRow) -> Result<Machine, RegistryError> {
    let alias: Option<String> = row.try_get("alias")?;
    Ok(Machine {
        id: MachineId::from_bytes(bytes(row, "id")?),
        key: PublicKey::from_bytes(bytes(row, "public_key")?),
        alias: alias.map(|alias| alias.parse()).transpose().map_err(|_| strange("alias"))?,
        account: row.try_get("account_id")?,
        version: row.try_get("version")?,
        enrolled_at: time(row, "enrolled_at")?,
        last_seen_at: time(row, "last_seen_at")?,
    })
}

fn token(row: &SqliteRow) -> Result<TokenEntry, RegistryError> {
    let id: String = row.try_get("id")?;
    let revoked_at: Option<i64> = row.try_get("revoked_at")?;
    Ok(TokenEntry {
        id: id.parse().map_err(|_| strange("id"))?,
        account: row.try_get("account_id")?,
        hash: TokenHash(bytes(row, "hash")?),
        label: row.try_get("label")?,
        uses: count(row, "uses")?,
        max_uses: count(row, "max_uses")?,
        created_at: time(row, "created_at")?,
        expires_at: time(row, "expires_at")?,
        revoked_at: revoked_at.map(|at| Timestamp::from_millis(at.max(0).cast_unsigned())),
    })
}

fn bytes<const N: usize>(row: &SqliteRow, column: &'static str) -> Result<[u8; N], RegistryError> {
    let bytes: Vec<u8> = row.try_get(column)?;
    bytes.try_into().map_err(|_| strange(column))
}

fn count(row: &SqliteRow, column: &'static str) -> Result<u32, RegistryError> {
    u32::try_from(row.try_get::<i64, _>(column)?).map_err(|_| strange(column))
}

fn time(row: &SqliteRow, column: &'static str) -> Result<Timestamp, RegistryError> {
    Ok(Timestamp::from_millis(row.try_get::<i64, _>(column)?.max(0).cast_unsigned()))
}

fn millis(time: Timestamp) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

fn strange(column: &str) -> RegistryError {
    RegistryError(format!("its column {column} holds something strange"))
}

async fn identity(path: &std::path::Path) -> std::io::Result<(u64, u64)> {
    let meta = tokio::fs::metadata(path).await?;
    Ok((meta.dev(), meta.ino()))
}
