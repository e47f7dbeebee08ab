//! A world that has found its pace allocates nothing, whatever it does.

use sim::draw::{DrawnWorld, kind};
use sim::source::Random;
use sim::world::Progress;

fn steps(world: &mut DrawnWorld, source: &mut Random, count: u32) {
    for _ in 0..count {
        let progress = world.step(source).unwrap_or_else(|violation| panic!("{violation}"));
        assert_eq!(progress, Progress::Going, "the programs of this world never end");
    }
}

#[test]
fn a_step_allocates_nothing() {
    for seed in 0..20 {
        let mut source = Random::new(seed);
        let kind = kind("scheduler").expect("the world is in the list");
        let mut world = kind.world(&mut source, None);
        // An entry that is made twice clones the world.
        world.compare_one_in(u64::MAX);
        steps(&mut world, &mut source, 20_000);
        let spent = allocation_counter::measure(|| steps(&mut world, &mut source, 20_000));
        assert_eq!(spent.count_total, 0, "from seed {seed}: {spent:?}");
    }
}

#[test]
fn the_counter_counts() {
    let spent = allocation_counter::measure(|| drop(std::hint::black_box(vec![1, 2, 3])));
    assert_eq!(spent.count_total, 1);
}
