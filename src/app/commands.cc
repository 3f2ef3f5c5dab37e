#include "app/commands.h"

namespace hearth {

void add_commands(CLI::App& app, const Settings& settings) {
  add_bench_command(app);
  add_chat_command(app);
  add_completion_command(app);
  add_config_command(app, settings);
  add_doctor_command(app);
  add_estimate_command(app);
  add_eval_command(app);
  add_generate_command(app);
  add_launch_command(app);
  add_ls_command(app);
  add_man_command(app);
  add_pull_command(app);
  add_rm_command(app);
  add_serve_command(app);
  add_show_command(app);
  add_synth_command(app);
  add_verify_command(app);
  add_version_command(app);
}

}  // namespace hearth
