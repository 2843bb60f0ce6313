//! The thread that draws. There is one in a process, for all agents: a parser takes a processor and
//! many megabytes, and what one thread takes and gives back stays in one place of the allocator.

use std::sync::OnceLock;

use tokio::sync::{mpsc, oneshot};

/// Pieces of drawing that wait. When there are more, they wait to wait.
const WAITING: usize = 16;

type Job = Box<dyn FnOnce() + Send>;

/// Runs this on the thread that draws, after what came before. `None` if it panicked, or if there can
/// be no such thread.
pub(super) async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (tell, told) = oneshot::channel();
    let job: Job = Box::new(move || drop(tell.send(work())));
    jobs()?.send(job).await.ok()?;
    told.await.ok()
}

/// Its end is the end of the process.
fn jobs() -> Option<&'static mpsc::Sender<Job>> {
    static JOBS: OnceLock<Option<mpsc::Sender<Job>>> = OnceLock::new();
    let start = || {
        let (send, mut jobs) = mpsc::channel::<Job>(WAITING);
        let work = move || {
            while let Some(job) = jobs.blocking_recv() {
                // The parser's own panics are caught; another one is that job's alone.
                let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
            }
        };
        let started = std::thread::Builder::new().name("draw".to_owned()).spawn(work);
        started.ok().map(|_| send)
    };
    JOBS.get_or_init(start).as_ref()
}
