use dipm_data::*;
use dipm_models::*;
use dipm_train::*;
use std::time::Instant;
fn cpu() -> f64 {
    let s = std::fs::read_to_string("/proc/self/stat").unwrap();
    let f: Vec<&str> = s.rsplit(')').next().unwrap().split_whitespace().collect();
    (f[11].parse::<f64>().unwrap() + f[12].parse::<f64>().unwrap()) / 100.0
}
fn main() {
    let file = StructureFile::open("/work/shared/bench/w1.h5").unwrap();
    let _ = cpu();
    let mut options = DatasetOptions::new(DatasetPaths::from_paths(["/work/shared/bench/w1.h5"]));
    options.batch_size = 16;
    let p = prepare(&options).unwrap();
    drop(file);
    let info = p.info.clone();
    let ds = p.train.clone();
    let table = SpeciesTable::from_info(&info);
    let graphs: Vec<Graph> = (0..ds.len()).map(|i| ds.graph(i).unwrap()).collect();
    let batch = Batch::new(&graphs, &table).unwrap();
    println!(
        "{} atoms {} edges {} species",
        batch.total_atoms(),
        batch.total_edges(),
        table.len()
    );
    let t = Instant::now();
    let model = Model::new(Target::Nequip.default_config(), info, 0).unwrap();
    println!("model {:?}", t.elapsed());
    let t = Instant::now();
    let loss = LossConfig::default();
    let mut step = TrainingStep::<f32>::new(&model, &loss);
    println!("plan {:?}", t.elapsed());
    let params = flat_parameters::<f32>(&model);
    let mut grad = vec![0f32; params.len()];
    let w = LossWeights {
        energy: 1.0,
        forces: 25.0,
        stress: 0.0,
    };
    let threads: usize = std::env::args().nth(1).map_or(1, |s| s.parse().unwrap());
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .unwrap();
    let ops = std::env::args().nth(2).is_some();
    pool.install(|| {
        for _ in 0..2 {
            step.gradient(&params, &batch, &w, &mut grad).unwrap();
        }
        step.executor().reset_times();
        step.executor().time_operations(ops);
        let (t, c) = (Instant::now(), cpu());
        let n = 20;
        for _ in 0..n {
            step.gradient(&params, &batch, &w, &mut grad).unwrap();
        }
        println!(
            "step wall {:.1} ms cpu {:.1} ms",
            t.elapsed().as_secs_f64() / n as f64 * 1e3,
            (cpu() - c) / n as f64 * 1e3
        );
        let (t, n) = (Instant::now(), 20);
        for _ in 0..n {
            step.predict(&params, &batch).unwrap();
        }
        println!(
            "predict wall {:.1} ms",
            t.elapsed().as_secs_f64() / n as f64 * 1e3
        );
    });
    println!("memory {} MB", step.executor().memory_bytes() >> 20);
    if ops {
        for (k, s) in step.executor().operation_times() {
            println!("{k:15} {:.2} ms", s * 1e3);
        }
        std::fs::write("/tmp/explain.txt", step.executor().explain()).unwrap();
    }
}
