//! The seam for the Windows Task Scheduler: what an adapter would call. Nothing is called yet, and nothing is
//! pretended.
//!
//! State: `ITaskService::GetFolder`, `IRegisteredTask::State`, `LastTaskResult`, and a wait on the process handle.
//! Start: `IRegisteredTask::Run`. Stop: `IRunningTask::Stop`. Boot sequence: `IRegisteredTask::Enabled`.

use super::ServiceError;

/// The answer of every call until the adapter exists.
#[must_use]
pub const fn unsupported() -> ServiceError {
    ServiceError::Unsupported {
        manager: "Windows Task Scheduler",
        needs: "ITaskService and IRegisteredTask: State, Run, Stop, Enabled",
    }
}
