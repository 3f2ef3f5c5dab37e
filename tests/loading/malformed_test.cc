// Each damaged model is refused with an error that names the file, the place, what was expected and
// what was found.
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "base/error.h"
#include "tests/support/malformed.h"
#include "tests/support/temp_folder.h"

namespace hearth {
namespace {

using testing::load_folder;
using testing::malformed_models;
using testing::MalformedCase;
using testing::TempFolder;

class Malformed : public ::testing::TestWithParam<MalformedCase> {};

TEST_P(Malformed, IsRefusedByName) {
  const TempFolder folder;
  GetParam().write(folder.path());
  try {
    load_folder(folder.path());
    FAIL() << "the folder was accepted";
  } catch (const LoadError& error) {
    const std::string message = error.what();
    EXPECT_EQ(error.code(), ExitCode::kInvalidModel);
    EXPECT_TRUE(message.starts_with(folder.path().string())) << message;
    EXPECT_FALSE(error.problem().expected.empty()) << message;
    EXPECT_FALSE(error.problem().found.empty()) << message;
    EXPECT_LT(message.size(), 1000u);
    for (const std::string& fragment : GetParam().fragments) {
      EXPECT_NE(message.find(fragment), std::string::npos)
          << "no \"" << fragment << "\" in: " << message;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, Malformed, ::testing::ValuesIn(malformed_models()),
                         [](const auto& row) { return row.param.name; });

TEST(MalformedTable, IsLongAndWithoutDoubles) {
  std::set<std::string> names;
  for (const MalformedCase& item : malformed_models()) {
    EXPECT_TRUE(names.insert(item.name).second) << item.name;
  }
  EXPECT_GE(names.size(), 120u);
}

}  // namespace
}  // namespace hearth
