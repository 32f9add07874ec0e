"""The paper, an idea a file: vit, landmarks (MobileFaceNet), prompts (MCP), temporal (TMA), s2d, weights, zoo."""
