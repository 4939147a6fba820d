//! The gateway of a warm standby, kept as it is to be: it runs, and its channels are off.
//!
//! Invariants: nothing is done here while this node carries or changes its role; each step is done alone, and only if this
//! node still stands by when its turn has come. Whoever stops the gateway is not overruled. Start at [`keep`].

use super::gateway::{Hold, runs};
use super::{Pair, change};
use clawmend_core::failover::Step;
use clawmend_core::failover::course::{Course, Goal};
use std::rc::Rc;
use tokio::task::JoinHandle;

/// Makes it so, beside the loop.
pub fn keep(pair: Rc<Pair>) -> JoinHandle<()> {
    tokio::task::spawn_local(async move { keep_now(&pair).await })
}

/// Makes it so.
pub async fn keep_now(pair: &Pair) {
    let Ok(_alone) = pair.keeping.try_lock() else { return };
    let mut course: Option<Course> = None;
    let mut steps = Vec::new();
    loop {
        let _busy = pair.busy.lock().await;
        if !pair.stands_by() {
            return;
        }
        let course = match &mut course {
            Some(course) => course,
            None => {
                let goal = if pair.kept.borrow().warm { Goal::StayOff } else { Goal::BeWarm };
                course.insert(Course::new(goal, pair.settings.course(), runs(pair).await))
            }
        };
        let Some(task) = course.take() else {
            pair.note_warm(course.is_warm());
            return tell(pair, course.worked() && course.is_warm(), &steps);
        };
        steps.extend(change::step(pair, course, task, Hold::WhileStandingBy).await);
    }
}

/// Each thing once: it is tried again and again.
fn tell(pair: &Pair, as_wanted: bool, steps: &[Step]) {
    let said: Vec<String> = steps.iter().map(|step| format!("{}: {}", step.step, step.detail)).collect();
    let said = said.join("; ");
    let before = pair.report.borrow().not_warm_because.clone();
    if as_wanted {
        pair.report.borrow_mut().not_warm_because = None;
        pair.say(&format!("this node stands by warm; {said}"));
    } else if before.as_ref() != Some(&said) {
        pair.report.borrow_mut().not_warm_because = Some(said.clone());
        pair.say(&format!("this node's gateway is not warm as it should be, and that is tried again; {said}"));
    }
}
