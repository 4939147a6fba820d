//! The gateway of a warm standby, kept as it is to be: it runs, and its channels are off.
//!
//! Invariants: nothing is done here while this node carries or changes its role; each step is done alone, and only if this
//! node still stands by when its turn has come. Whoever stops the gateway is not overruled. Start at [`keep`].

use super::gateway::{Hold, runs};
use super::{Pair, change};
use clawmend_core::failover::course::{Course, Goal};
use std::rc::Rc;

/// Makes it so, beside the loop.
pub fn keep(pair: Rc<Pair>) {
    tokio::task::spawn_local(async move {
        let Ok(alone) = pair.keeping.try_lock() else { return };
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
                    course.insert(Course::new(goal, pair.settings.course(), runs(&pair).await))
                }
            };
            let Some(task) = course.take() else {
                pair.note_warm(course.is_warm());
                break;
            };
            steps.extend(change::step(&pair, course, task, Hold::WhileStandingBy).await);
        }
        drop(alone);
        let warm = pair.kept.borrow().warm;
        let said: Vec<String> = steps.iter().map(|step| format!("{}: {}", step.step, step.detail)).collect();
        let why = steps.iter().rfind(|step| !step.worked).map(|step| format!("{}: {}", step.step, step.detail));
        let before = pair.report.borrow().not_warm_because.clone();
        if warm {
            pair.say(&format!("this node stands by warm; {}", said.join("; ")));
            pair.report.borrow_mut().not_warm_because = None;
        } else if before != why {
            pair.say(&format!("this node's gateway is not warm, and it is tried again; {}", said.join("; ")));
            pair.report.borrow_mut().not_warm_because = why;
        }
    });
}
