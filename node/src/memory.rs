//! What the allocator holds, and what the system has back of it. A node lives for months: what it
//! needed once, for a burst of starts or for a screen, is not to stay with it.

pub(crate) use sys::{give_back, keep_together};

/// By itself each thread takes from a heap of its own, of which there are eight for each core, and
/// what is freed in the middle of one stays there.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code)]
mod sys {
    /// Threads share so many heaps. They hardly wait for each other: each keeps what it frees and
    /// takes again to itself.
    const HEAPS: libc::c_int = 2;

    /// Has all threads share few heaps. To be called before there are any.
    pub(crate) fn keep_together() {
        // SAFETY: it takes no pointer, and there is one thread.
        unsafe { libc::mallopt(libc::M_ARENA_MAX, HEAPS) };
    }

    /// Gives what is free back to the system.
    pub(crate) fn give_back() {
        // SAFETY: it takes no pointer, and may be called at any time from any thread.
        unsafe { libc::malloc_trim(0) };
    }
}

/// Other allocators do so by themselves.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
mod sys {
    pub(crate) fn keep_together() {}

    pub(crate) fn give_back() {}
}
