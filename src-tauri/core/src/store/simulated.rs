//! What only a simulation needs of the database in memory: to hold its jobs back, to fail them, and to count what
//! they wrote.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::executor::{Access, Done, Executor, guard};
use super::{Store, StoreError};

/// Is asked before every job what becomes of it: the job waits for the answer, and an error fails it.
pub type Gate = Arc<dyn Fn(Access) -> BoxFuture<'static, Result<(), StoreError>> + Send + Sync>;

impl Store {
    /// From now on every job of this database in memory passes the gate. The first gate stays.
    pub fn put_behind(&self, gate: Gate) {
        if let Executor::Memory(memory) = self.executor() {
            let _ = memory.gate.set(gate);
        }
    }

    /// Waits for the writer, and has it write nothing.
    ///
    /// # Errors
    /// What befell the job.
    pub async fn queue_behind_the_writes(&self) -> Result<(), StoreError> {
        self.executor().write("waiting for the writer", |_| Ok(Done::quietly(()))).await
    }

    /// Rows that were inserted, changed or deleted since the database was made.
    #[must_use]
    pub fn rows_written(&self) -> u64 {
        match self.executor() {
            Executor::Memory(memory) => guard(&memory.db).total_changes(),
            Executor::File(_) => 0,
        }
    }
}
