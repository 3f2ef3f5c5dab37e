// Tools as the Responses and Messages APIs describe them, which differ in names alone.
#pragma once

#include <string>
#include <vector>

#include "answer/answer_request.h"
#include "server/dialect/json_fields.h"

namespace hearth {

/// Appends a function that the model may call; `schema` is the key of its parameters' schema.
void add_function(const JsonFields& tool, const char* schema, ChatInput& chat);

bool has_function(const ChatInput& chat, const std::string& name);

/// Throws ApiError, naming `path`, when the choice wants calls that are not possible.
void check_tool_choice(const ToolChoice& choice, const ChatInput& chat, const std::string& path);

/// A schema for the answer, from the object that has it.
AnswerFormat schema_format(const JsonFields& format);

/// What stands for an image or a file that a tool gave back: the conversation goes on without it.
std::string unreadable_part(const std::string& type);

/// Throws ApiError for a part of a message that is no text.
[[noreturn]] void refuse_part(const JsonFields& part, const std::string& type);

}  // namespace hearth
