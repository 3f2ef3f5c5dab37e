// Manual pages, made from the option table.
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace hearth {

/// The page of the program or of a subcommand, as roff with the man macros.
std::string man_page(const CLI::App& command);

/// "hearth-config-show".
std::string man_name(const CLI::App& command);

}  // namespace hearth
