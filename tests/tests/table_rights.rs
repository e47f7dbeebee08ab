//! What the table says that a capability has to allow is what the kernel asks for: no less, and no more.

use coldframe_abi::{
    Call, CapabilityHandle, CapabilityRights, CpuId, Error, Kind, Number, Request, TABLE, UserAddress, Word,
};
use coldframe_hal::paging::Sv39;
use coldframe_hal::{Cpu, Trap};
use coldframe_kernel::{Kernel, Resume};
use hal_host::{HostCpu, HostMachine};

const PAGE: u64 = 4_096;

/// A machine whose only thread makes calls.
struct Caller {
    kernel: Kernel<HostMachine<Sv39>>,
    cpu: HostCpu<Sv39>,
}

impl Caller {
    fn new() -> Self {
        let machine = HostMachine::<Sv39>::new(1, 4_096, 1);
        let map = machine.memory_map();
        let mut kernel = Kernel::new(machine, 1, map).expect("there is memory");
        let process = kernel.create_process().expect("there is memory");
        kernel.start_process(process, UserAddress(0), UserAddress(0), 0).expect("there is memory");
        let mut cpu = HostCpu::new(CpuId(0));
        assert_eq!(kernel.enter(&mut cpu, Trap::Again), Resume::User);
        Self { kernel, cpu }
    }

    fn ask(&mut self, request: Request) -> Result<u64, Error> {
        self.cpu.registers().request = request;
        let mut resume = self.kernel.enter(&mut self.cpu, Trap::Syscall);
        while resume == Resume::Again {
            resume = self.kernel.enter(&mut self.cpu, Trap::Again);
        }
        self.cpu.registers().reply.result()
    }

    fn make(&mut self, kind: Kind) -> CapabilityHandle {
        let zero = UserAddress(0);
        let call = match kind {
            Kind::Thread => Call::ThreadCreate { entry: zero, stack: zero, argument: Word(0) },
            Kind::Group => Call::GroupCreate {},
            Kind::Process => Call::ProcessCreate { frames: Word(20) },
            Kind::Endpoint => Call::EndpointCreate {},
            _ => Call::ObjectCreate { length: Word(PAGE) },
        };
        CapabilityHandle::from_word(self.ask(call.encode()).expect("there is memory"))
    }

    /// A capability of a kind that allows just this.
    fn allowing(&mut self, kind: Kind, rights: CapabilityRights) -> u64 {
        let capability = self.make(kind);
        let copy = Call::CapabilityCopy { capability, rights, badge: Word(0) };
        self.ask(copy.encode()).expect("it may be copied")
    }

    /// What a call comes to whose capability at one place allows just this, and all others all that the table asks for.
    fn outcome(&mut self, number: Number, place: usize, rights: CapabilityRights) -> Result<u64, Error> {
        let mut request = Request { number: number as u64, arguments: [0; 6] };
        let mut at = 0;
        for (index, parameter) in number.description().parameters.iter().enumerate() {
            let rights = if index == place { rights } else { parameter.rights };
            match parameter.kind {
                Kind::Thread
                | Kind::Group
                | Kind::Process
                | Kind::Object
                | Kind::Endpoint
                | Kind::Capability => {
                    request.arguments[at] = self.allowing(parameter.kind, rights);
                }
                Kind::Range => (request.arguments[at], request.arguments[at + 1]) = (1 << 32, PAGE),
                Kind::PageRights => request.arguments[at] = 1,
                _ => {}
            }
            at += parameter.kind.words();
        }
        self.ask(request)
    }
}

#[test]
fn every_right_in_the_table_is_needed_and_enough() {
    let mut looked_at = 0;
    for number in TABLE {
        for (place, parameter) in number.description().parameters.iter().enumerate() {
            // There is one capability to a mapping, and one to who listens to a line: they lose no rights.
            let is_one = matches!(parameter.kind, Kind::Mapping | Kind::Line);
            if is_one || parameter.rights == CapabilityRights::NONE {
                continue;
            }
            looked_at += 1;
            let outcome = Caller::new().outcome(*number, place, parameter.rights);
            assert_ne!(
                outcome,
                Err(Error::NoRight),
                "{number:?}: '{}' allows what the table asks for",
                parameter.name
            );
            for (right, name) in CapabilityRights::NAMED {
                if !right.within(parameter.rights) {
                    continue;
                }
                // Everything that there is but this one; what the kind has no use for cannot be had.
                let rest = CapabilityRights(rights_of(parameter.kind).0 & !right.0);
                let outcome = Caller::new().outcome(*number, place, rest);
                assert_eq!(
                    outcome,
                    Err(Error::NoRight),
                    "{number:?}: '{}' does not allow to {name}",
                    parameter.name
                );
            }
        }
    }
    assert!(looked_at > 20, "the table names rights");
}

fn rights_of(kind: Kind) -> CapabilityRights {
    let thread = CapabilityRights::INSPECT.and(CapabilityRights::MANAGE).and(CapabilityRights::COPY);
    match kind {
        Kind::Thread => thread,
        Kind::Group => CapabilityRights::INSPECT.and(CapabilityRights::FILL).and(CapabilityRights::COPY),
        Kind::Process => thread.and(CapabilityRights::FILL),
        Kind::Endpoint => CapabilityRights::INSPECT
            .and(CapabilityRights::COPY)
            .and(CapabilityRights::READ)
            .and(CapabilityRights::WRITE),
        _ => thread.and(CapabilityRights::READ).and(CapabilityRights::WRITE).and(CapabilityRights::EXECUTE),
    }
}
