//! Alarms: signals that are raised at a moment. Each thread has one, beside the deadline of what it waits for (KRN-32).

use coldframe_abi::{CapabilityRights, Deadline, EndpointHandle, Error, Instant};
use coldframe_hal::{Clock, Cpu, Machine, Store};

use crate::calls::Caller;
use crate::{Bell, Kernel, LentName, reaper};

/// Which timer ends the waits of a thread.
pub(crate) const fn wait_timer(thread: u32) -> u32 {
    thread * 2
}

/// Which timer is its alarm.
const fn alarm_timer(thread: u32) -> u32 {
    thread * 2 + 1
}

/// By which timer somebody looks at the interrupt lines: the reaper has no alarm of its own.
pub(crate) const LINE_TIMER: u32 = alarm_timer(reaper::THREAD);

impl<M: Machine> Kernel<M> {
    /// Sets the alarm of the calling thread, or takes it back.
    pub(crate) fn set_alarm(
        &mut self,
        cpu: &mut M::Cpu,
        caller: Caller,
        endpoint: EndpointHandle,
        bits: u64,
        at: Deadline,
    ) -> Result<(), Error> {
        self.signalled(caller, endpoint, bits)?;
        self.cancel_alarm(caller.thread);
        if at != Deadline::NEVER {
            let name = LentName::new(caller.process, endpoint.into());
            self.thread(caller.thread).alarm = Bell { name, bits };
            self.arm_alarm(cpu, caller.thread, Instant(at.0));
        }
        Ok(())
    }

    fn arm_alarm(&mut self, cpu: &M::Cpu, thread: u32, at: Instant) {
        let class = self.rows.rows()[thread as usize].context().class();
        self.timers().arm(alarm_timer(thread), cpu.id(), class, at, cpu.now());
    }

    /// A thread has no alarm any more.
    pub(crate) fn cancel_alarm(&mut self, thread: u32) {
        self.thread(thread).alarm = Bell::default();
        self.timers().cancel(alarm_timer(thread));
    }

    /// A timer has rung: a wait ends, or signals are raised. False if that was much, and the next one has to wait.
    pub(crate) fn timer_rings(&mut self, cpu: &mut M::Cpu, timer: u32) -> bool {
        let thread = timer / 2;
        if timer == LINE_TIMER {
            return self.watch_lines(cpu);
        }
        if timer == wait_timer(thread) {
            self.time_is_up(cpu, thread);
            return true;
        }
        let Bell { name, bits } = self.thread(thread).alarm;
        let endpoint = self.lent_endpoint(name, CapabilityRights::SIGNAL);
        if endpoint.is_none_or(|endpoint| self.raise(cpu, endpoint, bits)) {
            self.thread(thread).alarm = Bell::default();
            true
        } else {
            // Only such as have ended were in the way, as many as one step tells.
            self.arm_alarm(cpu, thread, cpu.now());
            false
        }
    }
}
