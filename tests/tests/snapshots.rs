//! What people read, reviewed once and kept: the syscall reference and a timeline.

use sim::explore::record;
use sim::run::{Options, Subject};
use sim::timeline;

#[test]
fn the_syscall_reference() {
    insta::assert_snapshot!(sim::reference::text());
}

/// The transcripts of all scenarios: a result that changes is seen, also when it changes on all grounds at once.
#[test]
fn the_transcripts_of_the_scenarios() {
    let mut text = String::new();
    for scenario in coldframe_scenarios::SCENARIOS {
        let subject = Subject::named(scenario.name).expect("the scenario is there");
        let (_, outcome) = record(subject, 3, Options::default());
        assert_eq!(outcome.violation, None);
        for (thread, lines) in sim::stage::transcript(&outcome.console) {
            for line in lines {
                text.push_str(&format!("{thread} {line}\n"));
            }
        }
    }
    insta::assert_snapshot!(text);
}

#[test]
fn a_timeline_reads_at_a_glance() {
    let subject = Subject::named("threads").expect("the scenario is there");
    let options = Options { cpus: Some(2), traced: true, ..Options::default() };
    let (_, outcome) = record(subject, 1, options);
    assert_eq!(outcome.violation, None);
    insta::assert_snapshot!(timeline::draw(&outcome.trace[..60], 2));
}
