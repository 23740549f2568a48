//! The table of conventions.

use super::At::{AfterName, Attribute, Between, Event, Indexed, IndexedOr, MessageEvents};
use super::Id::{Ending, Member, Name, Under};
use super::{Convention, Mark};
use crate::domain::trace::Rank;

/// An empty row.
const ROW: Convention = Convention {
    framework: "",
    versions: "",
    marks: &[],
    sessions: &[],
    users: &[],
    agents: &[],
    tools: &[],
    input: &[],
    output: &[],
};

/// The conventions, in the order in which they are searched if several apply.
pub const CONVENTIONS: [Convention; 21] = [
    Convention {
        framework: "Sessionary",
        versions: "any",
        marks: &[Mark::Attribute("agnost.")],
        sessions: &[Name(Rank::Direct, "agnost.session_id")],
        users: &[Name(Rank::Direct, "agnost.user_id")],
        agents: &["agnost.agent_name"],
        input: &[Attribute("agnost.input")],
        output: &[Attribute("agnost.output")],
        ..ROW
    },
    Convention {
        framework: "AI SDK",
        versions: "4 to 7",
        marks: &[Mark::Scope("ai"), Mark::Attribute("ai.")],
        sessions: &[Under("ai.telemetry.metadata."), Under("ai.settings.context."), Under("ai.settings.metadata.")],
        users: &[Under("ai.telemetry.metadata."), Under("ai.settings.context."), Under("ai.settings.metadata.")],
        agents: &["ai.telemetry.functionId", "ai.settings.functionId"],
        tools: &["ai.toolCall.name"],
        input: &[Attribute("ai.toolCall.args"), Attribute("ai.prompt.messages"), Attribute("ai.prompt")],
        output: &[
            Attribute("ai.toolCall.result"),
            Attribute("ai.response.text"),
            Attribute("ai.response.object"),
            Attribute("ai.response.toolCalls"),
        ],
    },
    Convention {
        framework: "Langfuse",
        versions: "3 to 5",
        marks: &[Mark::Scope("langfuse"), Mark::Attribute("langfuse.")],
        sessions: &[
            Name(Rank::Application, "langfuse.session.id"),
            Under("langfuse.trace.metadata."),
            Under("langfuse.observation.metadata."),
            Member("langfuse.trace.metadata"),
            Member("langfuse.observation.metadata"),
        ],
        users: &[
            Name(Rank::Application, "langfuse.user.id"),
            Under("langfuse.trace.metadata."),
            Under("langfuse.observation.metadata."),
            Member("langfuse.trace.metadata"),
            Member("langfuse.observation.metadata"),
        ],
        input: &[Attribute("langfuse.observation.input"), Attribute("langfuse.trace.input")],
        output: &[Attribute("langfuse.observation.output"), Attribute("langfuse.trace.output")],
        ..ROW
    },
    Convention {
        framework: "Mastra",
        versions: "1",
        marks: &[Mark::Scope("@mastra"), Mark::Attribute("mastra.")],
        sessions: &[Under("mastra.metadata.")],
        users: &[Under("mastra.metadata."), Name(Rank::Conversation, "mastra.metadata.resourceId")],
        tools: &["mastra.tool_call.name"],
        input: &[Between("mastra.", ".input")],
        output: &[Between("mastra.", ".output")],
        ..ROW
    },
    Convention {
        framework: "Mastra",
        versions: "0",
        marks: &[Mark::Attribute("threadId"), Mark::Attribute("componentName"), Mark::Attribute("agent.generate.")],
        sessions: &[Name(Rank::Conversation, "threadId")],
        users: &[Name(Rank::Conversation, "resourceId")],
        agents: &["agentName"],
        input: &[AfterName(".argument.0")],
        output: &[AfterName(".result")],
        ..ROW
    },
    Convention {
        framework: "Pydantic AI",
        versions: "2 to 5",
        marks: &[Mark::Scope("pydantic-ai"), Mark::Attribute("pydantic_ai."), Mark::Attribute("all_messages_events")],
        sessions: &[Member("metadata"), Member("pydantic_ai.metadata"), Member("logfire.metadata")],
        users: &[Member("metadata"), Member("pydantic_ai.metadata"), Member("logfire.metadata")],
        agents: &["agent_name"],
        tools: &[],
        input: &[
            Attribute("pydantic_ai.all_messages"),
            Attribute("all_messages_events"),
            Attribute("all_messages"),
            Attribute("tool_arguments"),
        ],
        output: &[
            Attribute("final_result"),
            Attribute("pydantic_ai.all_messages"),
            Attribute("all_messages_events"),
            Attribute("all_messages"),
            Attribute("tool_response"),
        ],
    },
    Convention {
        framework: "OpenInference",
        versions: "0.1 (LangChain, LangGraph, OpenAI Agents, CrewAI, smolagents, LlamaIndex, DSPy and others)",
        marks: &[Mark::Scope("openinference."), Mark::Attribute("openinference."), Mark::Attribute("llm.")],
        sessions: &[Name(Rank::Application, "session.id"), Member("metadata")],
        users: &[Name(Rank::Application, "user.id"), Member("metadata")],
        agents: &["agent.name"],
        tools: &["tool.name"],
        input: &[
            IndexedOr("llm.input_messages", "input.value"),
            Indexed("llm.prompts"),
            Attribute("input.value"),
            Attribute("tool.parameters"),
        ],
        output: &[Indexed("llm.output_messages"), Indexed("llm.choices"), Attribute("output.value")],
    },
    Convention {
        framework: "Google ADK",
        versions: "1",
        marks: &[Mark::Scope("gcp.vertex.agent"), Mark::Attribute("gcp.vertex.agent.")],
        sessions: &[Name(Rank::Conversation, "gcp.vertex.agent.session_id")],
        users: &[Name(Rank::Application, "gcp.vertex.agent.user_id")],
        input: &[Attribute("gcp.vertex.agent.tool_call_args"), Attribute("gcp.vertex.agent.llm_request")],
        output: &[Attribute("gcp.vertex.agent.tool_response"), Attribute("gcp.vertex.agent.llm_response")],
        ..ROW
    },
    Convention {
        framework: "OpenTelemetry GenAI",
        versions: "1.37 and newer (messages of parts)",
        marks: &[Mark::Attribute("gen_ai.input.messages"), Mark::Event("gen_ai.client.inference.operation.details")],
        sessions: &[Name(Rank::Run, "gen_ai.conversation.id")],
        users: &[Name(Rank::Application, "enduser.id"), Name(Rank::Incidental, "enduser.pseudo.id")],
        agents: &["gen_ai.agent.name"],
        tools: &["gen_ai.tool.name"],
        input: &[
            Attribute("gen_ai.input.messages"),
            Event("gen_ai.client.inference.operation.details", "gen_ai.input.messages"),
            Attribute("gen_ai.tool.call.arguments"),
        ],
        output: &[
            Attribute("gen_ai.output.messages"),
            Event("gen_ai.client.inference.operation.details", "gen_ai.output.messages"),
            Attribute("gen_ai.tool.call.result"),
        ],
    },
    Convention {
        framework: "Strands Agents",
        versions: "0.1 to 1",
        marks: &[Mark::Scope("strands"), Mark::Event("gen_ai.user.message"), Mark::Event("gen_ai.choice")],
        input: &[MessageEvents],
        output: &[MessageEvents],
        ..ROW
    },
    Convention {
        framework: "Semantic Kernel, Azure AI, Microsoft.Extensions.AI",
        versions: "1",
        marks: &[
            Mark::Scope("Microsoft.SemanticKernel"),
            Mark::Scope("semantic_kernel"),
            Mark::Scope("Experimental.Microsoft"),
            Mark::Event("gen_ai.content."),
        ],
        sessions: &[Name(Rank::Conversation, "gen_ai.thread.id")],
        input: &[
            Event("gen_ai.content.prompt", "gen_ai.prompt"),
            Event("gen_ai.content.prompt", "gen_ai.event.content"),
        ],
        output: &[
            Event("gen_ai.content.completion", "gen_ai.completion"),
            Event("gen_ai.content.completion", "gen_ai.event.content"),
        ],
        ..ROW
    },
    Convention {
        framework: "LangSmith, OpenTelemetry mode (LangChain, LangGraph)",
        versions: "0.4 and newer",
        marks: &[Mark::Scope("langsmith"), Mark::Attribute("langsmith.")],
        sessions: &[Under("langsmith.metadata."), Member("langsmith.metadata")],
        users: &[Under("langsmith.metadata."), Member("langsmith.metadata")],
        input: &[Attribute("gen_ai.prompt"), Attribute("inputs")],
        output: &[Attribute("gen_ai.completion"), Attribute("outputs")],
        ..ROW
    },
    Convention {
        framework: "LiteLLM",
        versions: "1",
        marks: &[Mark::Scope("litellm")],
        sessions: &[Under("metadata."), Under("metadata.requester_metadata.")],
        users: &[
            Under("metadata."),
            Under("metadata.requester_metadata."),
            Name(Rank::Conversation, "metadata.user_api_key_end_user_id"),
            Name(Rank::Conversation, "llm.user"),
            Name(Rank::Conversation, "gen_ai.request.user"),
            Name(Rank::Incidental, "metadata.user_api_key_user_id"),
        ],
        input: &[Indexed("gen_ai.prompt"), Attribute("llm.openai.messages")],
        output: &[Indexed("gen_ai.completion")],
        ..ROW
    },
    Convention {
        framework: "OpenLLMetry (Traceloop)",
        versions: "0.30 to 0.5x",
        marks: &[Mark::Scope("opentelemetry.instrumentation."), Mark::Attribute("traceloop.")],
        sessions: &[Under("traceloop.association.properties."), Member("traceloop.association.properties")],
        users: &[Under("traceloop.association.properties."), Member("traceloop.association.properties")],
        agents: &[],
        tools: &[],
        input: &[Indexed("gen_ai.prompt"), Attribute("traceloop.entity.input"), Indexed("llm.prompts")],
        output: &[Indexed("gen_ai.completion"), Attribute("traceloop.entity.output"), Indexed("llm.completions")],
    },
    Convention {
        framework: "CrewAI",
        versions: "0.100 to 1",
        marks: &[Mark::Scope("crewai"), Mark::Attribute("crewai."), Mark::Attribute("crew_")],
        agents: &["crewai.agent.role", "agent_role"],
        input: &[Attribute("crewai.task.description"), Attribute("formatted_description"), Attribute("crew_inputs")],
        output: &[
            Attribute("crewai.crew.result"),
            Attribute("crewai.task.result"),
            Attribute("crewai.agent.result"),
            Attribute("task_output"),
            Attribute("crew_output"),
        ],
        ..ROW
    },
    Convention {
        framework: "Logfire",
        versions: "3 to 5",
        marks: &[Mark::Scope("logfire"), Mark::Attribute("logfire."), Mark::Attribute("request_data")],
        sessions: &[Name(Rank::Conversation, "group_id")],
        input: &[Attribute("request_data"), Attribute("events")],
        output: &[Attribute("response_data"), Attribute("events")],
        ..ROW
    },
    Convention {
        framework: "smolagents",
        versions: "1",
        marks: &[Mark::Attribute("smolagents.")],
        input: &[Attribute("smolagents.task")],
        output: &[Attribute("smolagents.final_answer")],
        ..ROW
    },
    Convention {
        framework: "OpenTelemetry GenAI",
        versions: "1.27 to 1.36",
        marks: &[Mark::Attribute("gen_ai.")],
        input: &[Attribute("gen_ai.prompt"), Indexed("gen_ai.prompt"), MessageEvents],
        output: &[Attribute("gen_ai.completion"), Indexed("gen_ai.completion"), MessageEvents],
        ..ROW
    },
    Convention {
        framework: "MCP",
        versions: "any",
        marks: &[Mark::Attribute("mcp.")],
        sessions: &[Name(Rank::Incidental, "mcp.session.id")],
        tools: &["mcp.tool.name"],
        ..ROW
    },
    Convention {
        framework: "Braintrust",
        versions: "any",
        marks: &[Mark::Attribute("braintrust.")],
        sessions: &[Member("braintrust.metadata")],
        users: &[Member("braintrust.metadata")],
        input: &[Attribute("braintrust.input_json"), Attribute("braintrust.input")],
        output: &[Attribute("braintrust.output_json"), Attribute("braintrust.output")],
        ..ROW
    },
    Convention {
        framework: "Own spans",
        versions: "any",
        marks: &[],
        sessions: &[Under(""), Under("metadata."), Under("app."), Ending],
        users: &[Under(""), Under("metadata."), Under("app."), Ending, Name(Rank::Incidental, "user.email")],
        agents: &[],
        tools: &[],
        input: &[
            Attribute("input"),
            Attribute("prompt"),
            Attribute("question"),
            Attribute("user_input"),
            Between("", ".input"),
            Between("", ".prompt"),
            Between("", ".input.value"),
            Between("", ".input_data"),
            Between("", ".user_input"),
            Between("", ".question"),
        ],
        output: &[
            Attribute("output"),
            Attribute("completion"),
            Attribute("answer"),
            Attribute("response"),
            Between("", ".output"),
            Between("", ".completion"),
            Between("", ".output.value"),
            Between("", ".output_data"),
            Between("", ".response.text"),
            Between("", ".answer"),
        ],
    },
];
