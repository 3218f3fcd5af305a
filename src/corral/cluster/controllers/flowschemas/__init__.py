"""FlowSchemas: are the priority levels there that they name?"""
