// One function per subcommand, each in a file of its own.
#pragma once

namespace CLI {
class App;
}

namespace hearth {

void add_bench_command(CLI::App& app);
void add_doctor_command(CLI::App& app);
void add_estimate_command(CLI::App& app);
void add_eval_command(CLI::App& app);
void add_generate_command(CLI::App& app);
void add_show_command(CLI::App& app);
void add_synth_command(CLI::App& app);

}  // namespace hearth
