//! What every registry has to do, whatever its database: one suite, run for each implementation.

use std::{future::Future, sync::Arc, time::Duration};

use gantline_login::PublicKey;
use gantline_protocol::{
    Timestamp,
    link::{DenialReason, EnrolmentToken},
};

use super::{
    EnrolError, Enrolment, MAX_LIFE, MAX_USES, Machine, Registry, Sighting, SqliteRegistry,
    TokenEntry, TokenHash, TokenOrder,
};
use crate::state::StateDir;

const NOW: Timestamp = Timestamp::from_millis(1_000_000);
const HOUR: Duration = Duration::from_secs(3600);

fn order(uses: u32) -> TokenOrder {
    TokenOrder { uses, life: HOUR, label: "for the suite".into() }
}

async fn token(registry: &dyn Registry, uses: u32) -> (EnrolmentToken, TokenEntry) {
    let (token, entry) = order(uses).fill(NOW).unwrap();
    registry.add_token(&entry).await.unwrap();
    (token, entry)
}

fn enrolment(number: u8, token: &EnrolmentToken, alias: Option<&str>) -> Enrolment {
    let key = PublicKey::from_bytes([number; 32]);
    Enrolment {
        machine: key.machine_id(),
        key,
        token: TokenHash::of(token),
        alias: alias.map(|alias| alias.parse().unwrap()),
        version: "0.1.0".into(),
        at: NOW,
    }
}

fn reason(result: Result<Machine, EnrolError>) -> DenialReason {
    match result {
        Err(EnrolError::Denied { reason, message }) => {
            assert!(message.ends_with('.'), "people read this: {message:?}");
            reason
        }
        other => panic!("{other:?} is no denial"),
    }
}

async fn a_token_admits_as_many_machines_as_it_says_and_no_more(registry: &dyn Registry) {
    let (token, _) = token(registry, 2).await;
    let first = registry.enrol(&enrolment(1, &token, Some("pi"))).await.unwrap();
    assert_eq!(first.alias.as_ref().unwrap().as_str(), "pi");
    assert_eq!(first.account, "default");
    registry.enrol(&enrolment(2, &token, None)).await.unwrap();
    let third = registry.enrol(&enrolment(3, &token, None)).await;
    assert_eq!(reason(third), DenialReason::TokenUsed);
    assert_eq!(registry.machines().await.unwrap().len(), 2);
    assert_eq!(registry.tokens().await.unwrap()[0].uses, 2);
}

async fn a_machine_that_asks_twice_spends_one_use(registry: &dyn Registry) {
    let (token, _) = token(registry, 1).await;
    let once = registry.enrol(&enrolment(1, &token, Some("pi"))).await.unwrap();
    let twice = registry.enrol(&enrolment(1, &token, Some("other"))).await.unwrap();
    assert_eq!(once, twice);
    assert_eq!(registry.tokens().await.unwrap()[0].uses, 1);
}

async fn a_token_that_is_not_good_says_why(registry: &dyn Registry) {
    let (stranger, _) = order(1).fill(NOW).unwrap();
    let unknown = registry.enrol(&enrolment(1, &stranger, None)).await;
    assert_eq!(reason(unknown), DenialReason::TokenUnknown);

    let (token, entry) = token(registry, 5).await;
    let late = Enrolment { at: entry.expires_at, ..enrolment(1, &token, None) };
    assert_eq!(reason(registry.enrol(&late).await), DenialReason::TokenExpired);
    let last = Timestamp::from_millis(entry.expires_at.as_millis() - 1);
    registry.enrol(&Enrolment { at: last, ..enrolment(1, &token, None) }).await.unwrap();

    assert!(registry.revoke_token(&entry.id, NOW).await.unwrap());
    let revoked = registry.enrol(&enrolment(2, &token, None)).await;
    assert_eq!(reason(revoked), DenialReason::TokenUnknown);
    // Again: it stays revoked since the first time.
    assert!(registry.revoke_token(&entry.id, NOW.after(HOUR)).await.unwrap());
    assert_eq!(registry.tokens().await.unwrap()[0].revoked_at, Some(NOW));
    assert_eq!(registry.machines().await.unwrap().len(), 1, "those that joined stay");
    assert!(!registry.revoke_token(&"tk-aaaaaaaa".parse().unwrap(), NOW).await.unwrap());
}

async fn an_alias_belongs_to_one_machine_and_costs_no_token(registry: &dyn Registry) {
    let (token, _) = token(registry, 2).await;
    registry.enrol(&enrolment(1, &token, Some("pi"))).await.unwrap();
    let second = registry.enrol(&enrolment(2, &token, Some("pi"))).await;
    assert_eq!(reason(second), DenialReason::AliasTaken);
    assert_eq!(registry.tokens().await.unwrap()[0].uses, 1, "the use was not spent");
    let second = registry.enrol(&enrolment(2, &token, Some("nas"))).await.unwrap();
    let renamed = registry.rename(second.id, &"pi".parse().unwrap()).await;
    let taken = DenialReason::AliasTaken;
    assert!(matches!(renamed, Err(EnrolError::Denied { reason, .. }) if reason == taken));
    registry.rename(second.id, &"attic".parse().unwrap()).await.unwrap();
    let aliases: Vec<_> =
        registry.machines().await.unwrap().into_iter().filter_map(|m| m.alias).collect();
    let mut aliases: Vec<_> = aliases.iter().map(|alias| alias.as_str()).collect();
    aliases.sort_unstable();
    assert_eq!(aliases, ["attic", "pi"]);
}

async fn what_was_stored_is_read_back(registry: &dyn Registry) {
    let (token, entry) = token(registry, 7).await;
    assert_eq!(registry.tokens().await.unwrap(), [entry]);
    let machine = registry.enrol(&enrolment(1, &token, Some("pi"))).await.unwrap();
    assert_eq!(registry.machines().await.unwrap(), std::slice::from_ref(&machine));
    let seen = Sighting { machine: machine.id, version: "0.2.0".into(), at: NOW.after(HOUR) };
    let stranger =
        Sighting { machine: PublicKey::from_bytes([9; 32]).machine_id(), ..seen.clone() };
    registry.note_seen(&[seen, stranger]).await.unwrap();
    let expected = Machine { version: "0.2.0".into(), last_seen_at: NOW.after(HOUR), ..machine };
    assert_eq!(registry.machines().await.unwrap(), [expected]);
}

async fn two_that_come_at_once_do_not_share_one_use(registry: &dyn Registry) {
    let (token, _) = token(registry, 3).await;
    let enrolments: Vec<_> = (0..8).map(|number| enrolment(number, &token, None)).collect();
    let results =
        futures_util::future::join_all(enrolments.iter().map(|e| registry.enrol(e))).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 3, "{results:?}");
    assert_eq!(registry.machines().await.unwrap().len(), 3);
}

/// Runs `case` on an empty SQLite registry.
async fn on_sqlite<F, Fut>(case: F)
where
    F: FnOnce(Arc<dyn Registry>) -> Fut,
    Fut: Future<Output = ()>,
{
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::open(dir.path()).unwrap();
    let registry = Arc::new(SqliteRegistry::open(&state).await.unwrap());
    case(registry.clone()).await;
    registry.close().await;
}

macro_rules! suite {
    ($module:ident, $on:ident: $($case:ident),* $(,)?) => {
        mod $module {
            $(
                #[tokio::test]
                async fn $case() {
                    super::$on(|registry| async move { super::$case(&*registry).await }).await;
                }
            )*
        }
    };
}

suite!(sqlite, on_sqlite:
    a_token_admits_as_many_machines_as_it_says_and_no_more,
    a_machine_that_asks_twice_spends_one_use,
    a_token_that_is_not_good_says_why,
    an_alias_belongs_to_one_machine_and_costs_no_token,
    what_was_stored_is_read_back,
    two_that_come_at_once_do_not_share_one_use,
);

#[test]
fn an_order_for_a_token_is_bounded() {
    for bad in [
        order(0),
        order(MAX_USES + 1),
        TokenOrder { life: Duration::ZERO, ..order(1) },
        TokenOrder { life: MAX_LIFE + HOUR, ..order(1) },
        TokenOrder { label: "a\nb".into(), ..order(1) },
        TokenOrder { label: "x".repeat(65), ..order(1) },
    ] {
        assert!(bad.fill(NOW).is_err());
    }
    let (one, entry) = order(1).fill(NOW).unwrap();
    let (two, _) = order(1).fill(NOW).unwrap();
    assert_ne!(one.reveal(), two.reveal());
    assert_eq!(entry.hash, TokenHash::of(&one));
    assert!(!format!("{entry:?}").contains(one.reveal()));
}

#[tokio::test]
async fn a_database_that_was_removed_takes_nobody_in_whom_it_would_forget() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::open(dir.path()).unwrap();
    let registry = SqliteRegistry::open(&state).await.unwrap();
    let (token, _) = token(&registry, 2).await;
    registry.enrol(&enrolment(1, &token, None)).await.unwrap();
    std::fs::rename(state.database(), dir.path().join("away")).unwrap();
    let away = registry.enrol(&enrolment(2, &token, None)).await;
    assert!(matches!(away, Err(EnrolError::Unavailable(_))), "{away:?}");
    // A copy in its place is not the file that is open.
    std::fs::copy(dir.path().join("away"), state.database()).unwrap();
    let replaced = registry.enrol(&enrolment(2, &token, None)).await;
    assert!(matches!(replaced, Err(EnrolError::Unavailable(_))), "{replaced:?}");
    std::fs::rename(dir.path().join("away"), state.database()).unwrap();
    registry.enrol(&enrolment(2, &token, None)).await.unwrap();
}
