//! The task that keeps in touch with a shim: it hears what the shim says, looks for it when the
//! connection has ended, and finds out how the process ended when there is no shim any more.

use std::{
    io,
    os::unix::fs::FileTypeExt as _,
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};

use gantline_protocol::{
    Offset,
    shim::{FromShim, Greeting, ReadMode, ToShim},
};
use rustix::process::{Pid, Signal as Number, kill_process};
use tokio::{task::spawn_blocking, time::sleep};

use super::{End, Shared, Typed, lock};
use crate::{
    limits::Group,
    pty::{
        link::{FOLLOW, Input, Link, LinkError},
        log::Source,
    },
    shim::{
        Applied,
        log::kept,
        record::{Exit, Life},
    },
};

/// How long to wait before a shim that can't be reached is looked for again: at first, and at most.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
const LOOK_AGAIN_AT_MOST: Duration = Duration::from_secs(30);

/// How it stands between this node and the shim.
#[derive(Debug, Clone)]
pub(super) enum Situation {
    /// It is being looked for.
    Looked,
    Linked,
    /// It can't be reached, for this reason.
    Away(Arc<str>),
    Ended(End),
}

/// What has become of a shim.
enum Found {
    Shim(Link, Greeting, Input),
    Exit(Exit),
    /// Nobody saw how its process ended.
    Lost,
    Away(String),
}

impl Shared {
    /// Keeps in touch with the shim until it is left alone or gone for good.
    pub(super) async fn keep(self: Arc<Self>, mut found: Option<(Link, Input)>) {
        let is_left = self.is_left.clone();
        let keep = async {
            loop {
                let (link, input) = match found.take() {
                    Some(found) => found,
                    None => match self.look().await {
                        Some(found) => found,
                        None => {
                            self.is_over.cancel();
                            return;
                        }
                    },
                };
                let hear = |message: FromShim<'_>| self.hear(&message);
                let ended = link.run(input, hear, || self.log.rested()).await;
                tracing::debug!(agent = %self.agent, ?ended, "a connection to a shim has ended");
                *lock(&self.link) = None;
                self.log.ask(Source::Nobody);
            }
        };
        if is_left.run_until_cancelled(keep).await.is_none() {
            // The connection ends with the last who could use it.
            self.log.ask(Source::Nobody);
        }
        *lock(&self.link) = None;
    }

    /// Looks for the shim until it answers; `None` when it is gone, which is then known.
    async fn look(self: &Arc<Self>) -> Option<(Link, Input)> {
        let mut again = LOOK_AGAIN;
        loop {
            match self.find_out().await {
                Found::Shim(link, greeting, input) => {
                    let this = self.clone();
                    if let Ok(Ok(Some(life))) = spawn_blocking(move || this.record.life()).await {
                        *lock(&self.not_enforced) = life.not_enforced;
                    }
                    let from = self.linked(&link, greeting);
                    link.send(&self.first_words(from));
                    return Some((link, input));
                }
                Found::Exit(exit) => {
                    lock(&self.size).get_or_insert(exit.size);
                    let Exit { at, end: offset, status: how, size: _ } = exit;
                    self.gone(End { at, how, offset }, offset).await;
                    return None;
                }
                Found::Lost => {
                    let at = std::time::SystemTime::now().into();
                    let offset = self.log.end();
                    // What was in the shim's memory only is nowhere any more.
                    self.gone(End { at, how: None, offset }, Offset(0)).await;
                    return None;
                }
                Found::Away(why) => {
                    let is_news = match &*self.situation.borrow() {
                        Situation::Away(known) => **known != *why,
                        // How it ended is known, and that is more.
                        Situation::Ended(_) => false,
                        Situation::Looked | Situation::Linked => true,
                    };
                    if is_news {
                        tracing::warn!(agent = %self.agent, %why, "an agent can't be reached");
                        self.situation.send_replace(Situation::Away(why.into()));
                    }
                }
            }
            sleep(again).await;
            again = (again * 2).min(LOOK_AGAIN_AT_MOST);
        }
    }

    async fn find_out(self: &Arc<Self>) -> Found {
        let read_exit = || {
            let this = self.clone();
            async move { spawn_blocking(move || this.record.exit()).await }
        };
        match read_exit().await {
            Ok(Ok(Some(exit))) => {
                // What it left behind may still write, and then its shim is still there.
                if let Ok((link, greeting, input)) = Link::connect(&self.socket).await
                    && greeting.epoch == self.log.epoch()
                {
                    return Found::Shim(link, greeting, input);
                }
                return Found::Exit(exit);
            }
            Ok(Ok(None)) => {}
            Ok(Err(error)) => return Found::Away(error.to_string()),
            Err(_ended) => return Found::Away("this node is ending".to_owned()),
        }
        let error = match Link::connect(&self.socket).await {
            Ok((link, greeting, input)) if greeting.epoch == self.log.epoch() => {
                return Found::Shim(link, greeting, input);
            }
            Ok(_) => LinkError::Stranger,
            Err(error) => error,
        };
        let this = self.clone();
        let life = spawn_blocking(move || {
            let life = this.record.life()?;
            Ok(life.map(|life| (life.shim.is_alive(), life)))
        });
        match life.await {
            Ok(Ok(Some((true, life)))) => {
                self.call(&life, &error);
                let (pid, socket) = (life.shim.pid, self.socket.display());
                Found::Away(format!("its shim, process {pid}, can't be used at {socket}: {error}"))
            }
            Ok(Ok(Some((false, _)) | None)) => match read_exit().await {
                // It has ended between the first look and this one.
                Ok(Ok(Some(exit))) => Found::Exit(exit),
                Ok(Ok(None)) => Found::Lost,
                Ok(Err(error)) => Found::Away(error.to_string()),
                Err(_ended) => Found::Away("this node is ending".to_owned()),
            },
            Ok(Err::<_, crate::state::StateError>(error)) => Found::Away(error.to_string()),
            Err(_ended) => Found::Away("this node is ending".to_owned()),
        }
    }

    /// A shim whose socket is gone is asked to make it anew.
    fn call(&self, life: &Life, error: &LinkError) {
        let is_gone =
            matches!(error, LinkError::Io(error) if error.kind() == io::ErrorKind::NotFound);
        let pid = i32::try_from(life.shim.pid).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid.filter(|_| is_gone) {
            let _ = kill_process(pid, Number::HUP);
        }
    }

    /// A connection to the shim. Returns from where on its output is to be followed.
    pub(super) fn linked(&self, link: &Link, greeting: Greeting) -> Offset {
        *lock(&self.pid) = Some(greeting.pid);
        if let Some(size) = greeting.size {
            let wanted = *lock(&self.size).get_or_insert(size);
            if wanted != size {
                link.say(&ToShim::Resize(wanted));
            }
        }
        let from = self.log.found(greeting.kept, greeting.end);
        self.log.ask(Source::Shim(link.clone()));
        {
            let mut typed = lock(&self.typed);
            *typed = Typed { applied: Applied::told(greeting.applied), ..Typed::default() };
            *lock(&self.link) = Some(link.clone());
        }
        self.situation.send_if_modified(|now| match now {
            Situation::Ended(_) => false,
            Situation::Looked | Situation::Linked | Situation::Away(_) => {
                *now = Situation::Linked;
                true
            }
        });
        self.typed_more.notify_waiters();
        from
    }

    /// What a shim is told first.
    pub(super) fn first_words(&self, from: Offset) -> Vec<u8> {
        let mode = match self.hold.load(Ordering::Relaxed) {
            0 => ReadMode::Follow,
            hold => ReadMode::Hold(hold),
        };
        let mut words = Vec::new();
        for message in [ToShim::Read { id: FOLLOW, from, mode }, ToShim::Wait] {
            message.encode(&mut words).expect("a READ and a WAIT are within their bounds");
        }
        words
    }

    fn hear(&self, message: &FromShim<'_>) {
        match message {
            FromShim::Output(output) => self.log.took(output),
            FromShim::Written { viewer, seq } => {
                lock(&self.typed).applied(*viewer, *seq);
                self.typed_more.notify_waiters();
            }
            FromShim::Exited(ended) => {
                self.ended(End { at: ended.at, how: ended.how, offset: ended.end });
            }
            FromShim::Hello(_)
            | FromShim::OtherVersion(_)
            | FromShim::Checkpoint(_)
            | FromShim::Ignored(_) => {}
        }
    }

    /// It is known how the process ended.
    pub(super) fn ended(&self, end: End) {
        self.log.close(end.offset);
        self.situation.send_if_modified(|now| match now {
            Situation::Ended(_) => false,
            Situation::Looked | Situation::Linked | Situation::Away(_) => {
                *now = Situation::Ended(end);
                true
            }
        });
        self.typed_more.notify_waiters();
    }

    /// The shim is gone: what it has left is on the disk, up to `kept_to` at least.
    async fn gone(self: &Arc<Self>, end: End, kept_to: Offset) {
        let this = self.clone();
        let left = spawn_blocking(move || {
            // Left over if it was killed.
            let is_socket = |there: std::fs::Metadata| there.file_type().is_socket();
            if this.socket.symlink_metadata().is_ok_and(is_socket) {
                let _ = std::fs::remove_file(&this.socket);
            }
            if let Ok(Some(Life { group: Some(group), .. })) = this.record.life() {
                drop(Group::left(group));
            }
            kept(this.record.dir(), kept_to, this.record.marks())
        });
        if let Ok(left) = left.await {
            let offset = end.offset.max(left.end());
            self.log.ask(Source::Files(Arc::new(Mutex::new(left))));
            self.ended(End { offset, ..end });
        }
    }
}
