//! Pipes that nodes on WebSocket links were invited to, until they come for them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use gantline_protocol::Ticket;
use gantline_transport::{RelayReader, RelayWriter};
use getrandom::{
    SysRng,
    rand_core::{Rng, UnwrapErr},
};
use tokio::sync::oneshot;

use crate::edge::Places;

/// A node's end of a pipe.
#[derive(Debug)]
pub(crate) struct NodePipe {
    pub(crate) writer: RelayWriter,
    pub(crate) reader: RelayReader,
    /// What its own connection counts as, if it has one.
    pub(crate) places: Option<Arc<Places>>,
}

/// Who waits for which ticket: at most one entry for each open pipe's place. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tickets {
    waiting: Arc<Mutex<HashMap<Ticket, oneshot::Sender<NodePipe>>>>,
}

/// A ticket that is good until this is dropped.
#[derive(Debug)]
pub(crate) struct Invitation {
    tickets: Tickets,
    ticket: Ticket,
    answer: oneshot::Receiver<NodePipe>,
}

impl Tickets {
    pub(crate) fn issue(&self) -> Invitation {
        let mut bytes = [0; 16];
        UnwrapErr(SysRng).fill_bytes(&mut bytes);
        let ticket = Ticket::from_bytes(bytes);
        let (waiting, answer) = oneshot::channel();
        self.waiting().insert(ticket, waiting);
        Invitation { tickets: self.clone(), ticket, answer }
    }

    /// A node has come with a ticket. A ticket is good once; `pipe` is dropped, and so given up, if
    /// nobody waits for it.
    pub(crate) fn redeem(&self, ticket: &Ticket, pipe: NodePipe) {
        let waiting = self.waiting().remove(ticket);
        match waiting {
            // An error means that the client has given up.
            Some(waiting) => drop(waiting.send(pipe)),
            None => tracing::debug!("a ticket that is not good (any more)"),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<Ticket, oneshot::Sender<NodePipe>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Invitation {
    pub(crate) const fn ticket(&self) -> Ticket {
        self.ticket
    }

    /// Waits until the node has come.
    pub(crate) async fn answered(mut self) -> Option<NodePipe> {
        (&mut self.answer).await.ok()
    }
}

impl Drop for Invitation {
    fn drop(&mut self) {
        self.tickets.waiting().remove(&self.ticket);
    }
}
