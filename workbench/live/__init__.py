"""The loop that never ends: journals into the lake, and from the lake's changes what people ask for, in memory."""
