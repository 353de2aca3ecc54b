//! Faults of ours, each at the place where a right decision is made, to prove that a simulation would find them.
//!
//! A program has none: without the feature `simulation` every switch is the constant `false`, and with it only the
//! thread that planted one sees it.

macro_rules! bugs {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// A fault that can be planted, named after what it would do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Bug { $($(#[$doc])* $name),+ }

        #[cfg(feature = "simulation")]
        impl Bug {
            pub const ALL: &'static [Self] = &[$(Self::$name),+];
        }
    };
}

bugs! {
    /// What a listing says of a state is written.
    AListOverwrites,
    /// What an event says of a state is written.
    AnEventIsBelieved,
    /// A connection that was lost and found is trusted until the next pass.
    NoPassAfterAReconnect,
    /// An event stream that ended is taken for one that is silent.
    ABrokenStreamIsNotNoticed,
    /// The deterministic key alone gives a row to another container.
    ALivingRowIsAdopted,
    /// The name alone does.
    TheNameIsTheIdentity,
    /// A listing that failed makes everything missing.
    AFailedListingSweeps,
    /// What a listing lacks is missing, and nobody looks.
    AbsenceFromAListIsCertain,
    /// A listing that lacks most of the index is not asked for again.
    ALossOfMostIsBelieved,
    /// The rows of the engine before are held against the engine that answers now.
    AnotherEngineIsNotNoticed,
    /// An answer is taken whichever connection it was asked over.
    AnAnswerOfALostConnectionCounts,
    /// An inspect that fails is taken for one that found nothing.
    ALookThatFailsIsA404,
    /// A look that failed is not tried again.
    AFailedLookIsForgotten,
    /// What a commit that failed was to write is taken for written.
    AFailedCommitIsForgotten,
    /// A mark that comes while the container is being looked at makes no other look.
    AMarkDuringALookIsLost,
    /// A pass after a doubt looks only at what a listing shows to differ.
    ADoubtLooksAtWhatDiffers,
    /// What no listing shows is never found.
    NobodyIsLookedAtInTurn,
    /// A change whose event was lost is never written.
    AnExplanationIsWaitedForForEver,
    /// The event reader waits for the database.
    TheReaderWaitsForTheStore,
    /// The wall clock says what was observed after what.
    TheWallClockOrders,
    /// Every pass writes that it was.
    EveryPassIsWritten,
    /// A row without a container is taken away.
    APlaceholderIsSwept,
    /// A placeholder is filled by a container of another deploy.
    AnyContainerFillsAPlaceholder,
    /// An observation resets the deployer's columns.
    ADecisionIsOverwritten,
    /// A foreign container that is gone stays in the index.
    AForeignRowStays,
    /// Of two runs between two looks only the later one's beginning is told.
    TheHistoryLeavesAnEndOut,
}

#[cfg(feature = "simulation")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
}

/// On this thread, from now on.
#[cfg(feature = "simulation")]
pub fn plant(bug: Option<Bug>) {
    PLANTED.set(bug);
}

/// Whether this fault is planted here.
#[cfg(feature = "simulation")]
#[must_use]
pub fn is(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}

/// There is none in a program.
#[cfg(not(feature = "simulation"))]
#[must_use]
pub const fn is(_: Bug) -> bool {
    false
}
