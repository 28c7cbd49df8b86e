//! The documentation of all keys, from the table.

use std::fmt::Write as _;

use super::key_tests::tests_of;
use super::schema::{Key, Section, Support};

const HEAD: &str = "# Configuration

<!-- Written from crates/dipm/src/config by `DIPM_BLESS=1 cargo test -p dipm --test config_docs`. -->

A run is described by one YAML file with the sections `model`, `dataset` and `train`, as in dipm 0.0.8.

```yaml
model:
  target: NequIP
dataset:
  train_dataset_paths: train.xyz
  valid_dataset_paths: valid.xyz
train:
  loss: mse
  num_epochs: 100
  save_path: model.safetensors
```

* All problems are reported at once, with file, line and column, before any data are read; the exit code is then 2.
* A key is given once, in its section. An unknown key is an error. `null` is the same as leaving a key out, but for the options of a model that say otherwise.
* Numbers: `1e-4` is one, and so is `\"0.5\"`; a whole number can be written `16.0` or `1_000`, but not `16.5`, `true` or
  `010`. True and false can be written `yes`, `no`, `on`, `off`, `t`, `f`, `y`, `n`, `1`, `0`, in any case.
* In words, such as those of `loss`, case, `_` and `-` do not matter.
* A relative path starts from the working directory; if there is nothing, from the folder of the YAML file. What is
  written (`save_path`, `local_model_output_dir`) starts from the working directory.
* `--train-data`, `--valid-data` and `--test-data` on the command line replace the paths of the file, and
  `--set SECTION.KEY=VALUE` any key, for example `--set train.num_epochs=3`. It can be given several times; the value is
  read as in the file, and so are mistakes in it.
* `dipm init ARCHITECTURE` writes a file to begin with, `dipm explain KEY` says what a key means, and `dipm schema` prints a
  JSON schema with which editors check and complete the file: `dipm schema > dipm.schema.json`, and
  `# yaml-language-server: $schema=dipm.schema.json` as its first line.
* The configuration with all defaults filled in is written beside the checkpoints and can be trained from.
";

const TESTS: &str = "\n## Tests

Each key is the subject of a test that would fail if the key were ignored. The first one runs the program with the key in its
file; those that follow look at what the key does, most of them by comparison with dipm 0.0.8.

| key | tests |\n|---|---|";

/// `docs/config.md`.
pub fn documentation() -> String {
    let mut text = HEAD.to_owned();
    let mut say =
        |line: String| writeln!(text, "{line}").expect("writing to a string does not fail");
    for section in Section::ALL {
        say(format!("\n## `{}`\n", section.name()));
        say("| key | value | default | meaning |\n|---|---|---|---|".to_owned());
        for key in section.keys() {
            say(row(key));
        }
    }
    say(TESTS.to_owned());
    for section in Section::ALL {
        for key in section.keys() {
            say(tests(section, key));
        }
    }
    text
}

/// The tests that a key has.
fn tests(section: Section, key: &Key) -> String {
    let tests: Vec<String> = tests_of(section, key)
        .into_iter()
        .map(|(file, test)| {
            let file = file.trim_start_matches("crates/");
            format!("`{test}` ({file})")
        })
        .collect();
    let tests = match key.support {
        Support::NoEffect(_) => {
            "`keys_without_effect_are_checked_and_accepted` (dipm/tests/config_values.rs)"
                .to_owned()
        }
        Support::Full => tests.join("<br>"),
    };
    format!("| `{}.{}` | {tests} |", section.name(), key.name)
}

fn row(key: &Key) -> String {
    let default = match key.default_yaml() {
        Some("null") => "none".to_owned(),
        Some(yaml) => format!("`{yaml}`"),
        None => key.default.trim_matches(['(', ')']).to_owned(),
    };
    let default = if key.is_required() {
        "**required**".to_owned()
    } else {
        default
    };
    let unit = if key.unit.is_empty() {
        String::new()
    } else {
        format!(" ({})", key.unit)
    };
    let support = match key.support {
        Support::Full => String::new(),
        Support::NoEffect(why) => format!(" Accepted without effect: {why}."),
    };
    format!(
        "| `{}` | {}{unit} | {default} | {}{support} |",
        key.name,
        key.kind.expected(),
        key.doc
    )
}
