//! `--all`: one question to every paired machine, at once.

use tokio::task::JoinSet;

use super::{
    Context,
    failure::{Exit, Failure},
    out,
    reach::{self, Reached, Target},
};
use crate::gateway::book::Book;

/// What all paired machines answer, in no order; what can't be reached is said on stderr.
pub(super) async fn ask<T, A>(
    context: &Context,
    question: impl Fn(Reached) -> A + Clone + Send + 'static,
) -> Result<(Vec<T>, Exit), Failure>
where
    T: Send + 'static,
    A: Future<Output = Result<Vec<T>, Failure>> + Send,
{
    let book = Book::load(&context.reach.home)?;
    if book.machines.is_empty() {
        return Err(Failure::usage("--all: no machine is paired").next(reach::paired(&book)));
    }
    let client = context.reach.client()?;
    let mut asked = JoinSet::new();
    for entry in book.machines {
        let (reach, client, question) = (context.reach.clone(), client.clone(), question.clone());
        asked.spawn(async move {
            let reached = reach.open(&client, Target::Paired(Box::new(entry))).await?;
            question(reached).await
        });
    }
    let (mut answers, mut exit) = (Vec::new(), Exit::Ok);
    while let Some(answer) = asked.join_next().await {
        match answer.map_err(Failure::failed)? {
            Ok(found) => answers.extend(found),
            Err(failure) => {
                out::say(format!("gantline: {failure}"));
                // That something failed says more than that something was away.
                if exit != Exit::Failed {
                    exit = failure.exit;
                }
            }
        }
    }
    Ok((answers, exit))
}
