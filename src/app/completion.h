// Scripts that complete hearth's command line in a shell, made from the option table.
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace hearth {

std::string bash_completion(const CLI::App& program);
std::string zsh_completion(const CLI::App& program);
std::string fish_completion(const CLI::App& program);

}  // namespace hearth
