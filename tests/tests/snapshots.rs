//! What people read, reviewed once and kept: the syscall reference and a timeline.

use sim::explore::record;
use sim::run::{Options, Subject};
use sim::timeline;

#[test]
fn the_syscall_reference() {
    insta::assert_snapshot!(sim::reference::text());
}

#[test]
fn a_timeline_reads_at_a_glance() {
    let subject = Subject::named("threads").expect("the scenario is there");
    let options = Options { cpus: Some(2), traced: true, steps: None };
    let (_, outcome) = record(subject, 1, options);
    assert_eq!(outcome.violation, None);
    insta::assert_snapshot!(timeline::draw(&outcome.trace[..60], 2));
}
