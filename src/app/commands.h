// One function per subcommand, each in a file of its own.
#pragma once

namespace CLI {
class App;
}

namespace hearth {

class Settings;

void add_bench_command(CLI::App& app);
void add_chat_command(CLI::App& app);
void add_completion_command(CLI::App& app);
void add_config_command(CLI::App& app, const Settings& settings);
void add_doctor_command(CLI::App& app);
void add_estimate_command(CLI::App& app);
void add_eval_command(CLI::App& app);
void add_generate_command(CLI::App& app);
void add_launch_command(CLI::App& app);
void add_ls_command(CLI::App& app);
void add_man_command(CLI::App& app);
void add_pull_command(CLI::App& app);
void add_rm_command(CLI::App& app);
void add_serve_command(CLI::App& app);
void add_show_command(CLI::App& app);
void add_synth_command(CLI::App& app);
void add_verify_command(CLI::App& app);
void add_version_command(CLI::App& app);

/// All of them.
void add_commands(CLI::App& app, const Settings& settings);

}  // namespace hearth
