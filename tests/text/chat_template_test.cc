#include "text/chat_template.h"

#include <gtest/gtest.h>

#include "tests/support/temp_folder.h"

namespace hearth {
namespace {

using testing::TempFolder;
using testing::write_file;

TEST(ChatTemplate, RendersASmallTemplate) {
  TempFolder folder;
  write_file(folder.path() / "chat_template.jinja",
             "{%- for message in messages %}\n"
             "    {{- message.role ~ ':' ~ message.content ~ '\\n' }}\n"
             "{%- endfor %}\n"
             "{%- if add_generation_prompt %}\n"
             "    {{- 'assistant:' }}\n"
             "{%- endif %}\n");
  const ChatTemplate chat_template(folder.path());
  EXPECT_EQ(chat_template.render(R"([{"role": "user", "content": "Hi"}])", "", {}),
            "user:Hi\nassistant:");
}

}  // namespace
}  // namespace hearth
